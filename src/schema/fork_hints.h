// What is known about fields and layer types that BVLC Caffe lacks: those of its forks, and those
// that people write by mistake.
#pragma once

#include <string>

namespace crema {

// A field that crema's schema lacks.
struct ForkField {
  const char* message;  // "": any
  const char* field;
  const char* fork;      // "SSD"
  const char* advice;    // a clause, or ""
  const char* harmless;  // the value that changes nothing; "": all do not; null: each does
};

// What is known about a field; nullptr: nothing. `message` is the unqualified name of the message
// type that the field was looked for in, such as "PoolingParameter".
const ForkField* FindForkField(const std::string& message, const std::string& field);

// Whether the field can be left out if it has this value, as it stands in the text.
bool ChangesNothing(const ForkField& field, const std::string& value);

// A clause such as "it comes from SSD", with advice if there is some.
std::string Refusal(const ForkField& field);

// What to write instead of a field that no Caffe has there, such as "conv_param"; a clause, or "".
std::string AdviceForField(const std::string& message, const std::string& field);

// Whether this is a value of `engine` in another Caffe, which stands for its default here.
bool IsEngineOfFork(const std::string& name);

// Returns the name of the fork that has layers of this type, such as "Fast R-CNN"; "" where none
// is known. Neither this nor the next function cares about the case of letters.
std::string ForkOfLayerType(const std::string& type);

// What to write instead of a layer of a type that crema lacks; a clause, or "".
std::string AdviceForLayerType(const std::string& type);

}  // namespace crema
