#include "schema/line_ends.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <vector>

#include "base/printable.h"
#include "crema/base/error.h"

namespace crema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

class LineEndCheck {
 public:
  explicit LineEndCheck(const std::string& name) : name_(name) {}

  // `places` may be null.
  void Check(const Message& message, const TextFormat::ParseInfoTree* places) const {
    const auto* reflection = message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const bool repeated = field->is_repeated();
      const int count = repeated ? reflection->FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) CheckField(message, field, repeated ? i : -1, places);
    }
  }

 private:
  // `index` is -1 for a field that is not repeated.
  void CheckField(const Message& message, const FieldDescriptor* field, int index,
                  const TextFormat::ParseInfoTree* places) const {
    const auto* reflection = message.GetReflection();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (field->message_type()->name() == "PythonParameter") return;  // whole texts, not names
      const Message& inner = index < 0 ? reflection->GetMessage(message, field)
                                       : reflection->GetRepeatedMessage(message, field, index);
      Check(inner, places == nullptr ? nullptr : places->GetTreeForNested(field, index));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      const std::string text = index < 0 ? reflection->GetString(message, field)
                                         : reflection->GetRepeatedString(message, field, index);
      if (text.find_first_of("\r\n") == std::string::npos) return;
      const int line = places == nullptr ? -1 : places->GetLocation(field, index).line;
      Fail(name_, line < 0 ? "" : Concat(":", line + 1), ": \"", field->name(), "\" is \"",
           Printable(text), "\", with an end of line in it; remove that");
    }
  }

  const std::string& name_;
};

}  // namespace

void CheckLineEnds(const Message& message, const TextFormat::ParseInfoTree& places,
                   const std::string& name) {
  LineEndCheck(name).Check(message, &places);
}

}  // namespace crema
