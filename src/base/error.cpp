#include "crema/error.h"

#include <cstdio>
#include <cstdlib>

namespace crema {
namespace {

// Takes from `from` what `place` does not know. A line belongs to its file.
void Complete(const ErrorPlace& from, ErrorPlace* place) {
  if (place->file.empty()) {
    place->file = from.file;
    place->line = from.line;
  }
  if (place->layer.empty()) place->layer = from.layer;
}

}  // namespace

Error::Error(const std::string& sentence, ErrorPlace place)
    : std::runtime_error(sentence), place_(std::make_shared<const ErrorPlace>(std::move(place))) {}

Error Error::About(const std::string& subject, const ErrorPlace& place) const {
  ErrorPlace known = *place_;
  Complete(place, &known);
  const std::string sentence = what(), start = subject + ": ";
  const bool says_so = sentence.compare(0, start.size(), start) == 0;
  return Error(says_so ? sentence : start + sentence, std::move(known));
}

ErrorPlace InFile::place() const { return {path_, line_, ""}; }

std::ostream& operator<<(std::ostream& out, const InFile& part) {
  out << part.path_;
  return part.line_ > 0 ? out << ":" << part.line_ : out;
}

ErrorPlace InLayer::place() const { return {"", 0, name_}; }

InLayer::operator std::string() const {
  const std::string title = "layer '" + name_ + "'";
  return type_.empty() ? title : title + " (" + type_ + ")";
}

std::ostream& operator<<(std::ostream& out, const InLayer& part) {
  return out << std::string(part);
}

std::ostream& operator<<(std::ostream& out, const Error& error) { return out << error.what(); }

void NotePlace(const InFile& part, ErrorPlace* place) { Complete(part.place(), place); }
void NotePlace(const InLayer& part, ErrorPlace* place) { Complete(part.place(), place); }
void NotePlace(const Error& part, ErrorPlace* place) { Complete(part.place(), place); }

void CheckFailed(const char* file, int line, const char* condition, const std::string& message) {
  std::fprintf(stderr, "%s:%d: internal check failed: %s. %s\n", file, line, condition,
               message.c_str());
  std::abort();
}

}  // namespace crema
