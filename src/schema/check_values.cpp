#include "schema/check_values.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cmath>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "crema/error.h"

namespace crema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

// One value of a field.
struct Value {
  const Message& message;
  const FieldDescriptor* field;
  int index;  // -1 for a field that is not repeated

  bool IsRepeated() const { return index >= 0; }
};

const Message& GroupOf(const Value& v) {
  const auto* reflection = v.message.GetReflection();
  return v.IsRepeated() ? reflection->GetRepeatedMessage(v.message, v.field, v.index)
                        : reflection->GetMessage(v.message, v.field);
}

std::string TextOf(const Value& v) {
  const auto* reflection = v.message.GetReflection();
  return v.IsRepeated() ? reflection->GetRepeatedString(v.message, v.field, v.index)
                        : reflection->GetString(v.message, v.field);
}

double NumberOf(const Value& v) {
  const auto* reflection = v.message.GetReflection();
  if (v.field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
    return v.IsRepeated() ? reflection->GetRepeatedDouble(v.message, v.field, v.index)
                          : reflection->GetDouble(v.message, v.field);
  }
  return v.IsRepeated() ? reflection->GetRepeatedFloat(v.message, v.field, v.index)
                        : reflection->GetFloat(v.message, v.field);
}

// The name of the layer that a group is; "" if it is none.
std::string LayerNameOf(const Message& group) {
  const auto* type = group.GetDescriptor();
  const auto* name = type->FindFieldByName("name");
  const bool is_layer = type->name() == "LayerParameter" || type->name() == "V1LayerParameter";
  return is_layer && name != nullptr ? group.GetReflection()->GetString(group, name) : "";
}

class ValueCheck {
 public:
  explicit ValueCheck(const std::string& name) : name_(name) {}

  // `places` may be null. `layer`: the one that the message is or is part of, or "".
  void Check(const Message& message, const TextFormat::ParseInfoTree* places,
             const std::string& layer) const {
    const auto* reflection = message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const bool repeated = field->is_repeated();
      const int count = repeated ? reflection->FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) {
        CheckValue({message, field, repeated ? i : -1}, places, layer);
      }
    }
  }

 private:
  void CheckValue(const Value& value, const TextFormat::ParseInfoTree* places,
                  const std::string& layer) const {
    switch (value.field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: return CheckGroup(value, places, layer);
      case FieldDescriptor::CPPTYPE_STRING: return CheckText(value, places, layer);
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE: return CheckNumber(value, places, layer);
      default: return;
    }
  }

  void CheckGroup(const Value& value, const TextFormat::ParseInfoTree* places,
                  const std::string& layer) const {
    const std::string& type = value.field->message_type()->name();
    if (type == "PythonParameter" || type == "BlobProto") return;  // whole texts, weights
    const Message& group = GroupOf(value);
    const std::string own = LayerNameOf(group);
    Check(group, places == nullptr ? nullptr : places->GetTreeForNested(value.field, value.index),
          own.empty() ? layer : own);
  }

  void CheckText(const Value& value, const TextFormat::ParseInfoTree* places,
                 const std::string& layer) const {
    const std::string text = TextOf(value);
    if (text.find_first_of("\r\n") == std::string::npos) return;
    Refuse(value, places, layer,
           Concat("\"", Printable(text), "\", with an end of line in it; remove that"));
  }

  void CheckNumber(const Value& value, const TextFormat::ParseInfoTree* places,
                   const std::string& layer) const {
    const double number = NumberOf(value);
    if (std::isfinite(number) || value.field->containing_type()->name() == "ClipParameter") return;
    Refuse(value, places, layer,
           std::isnan(number) ? "nan; give a number"
                              : Concat(number < 0 ? "-inf" : "inf",
                                       ", or too large for float32; give a finite number"));
  }

  [[noreturn]] void Refuse(const Value& value, const TextFormat::ParseInfoTree* places,
                           const std::string& layer, const std::string& what) const {
    const int line = places == nullptr ? -1 : places->GetLocation(value.field, value.index).line;
    ErrorPlace place = InFile(name_, line + 1).place();
    place.layer = layer;
    const std::string of = layer.empty() ? "" : Concat("layer \"", Printable(layer), "\": ");
    throw Error(
        Concat(InFile(name_, line + 1), ": ", of, "\"", value.field->name(), "\" is ", what),
        std::move(place));
  }

  const std::string& name_;
};

}  // namespace

void CheckValues(const Message& message, const TextFormat::ParseInfoTree& places,
                 const std::string& name) {
  ValueCheck(name).Check(message, &places, "");
}

}  // namespace crema
