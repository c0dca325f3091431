#include "schema/copy_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>

namespace crema {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

// Returns a whole number, truth value or enum value, of a field that is not repeated.
int64_t GetWhole(const Message& message, const FieldDescriptor* field) {
  const auto* get = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32: return get->GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_INT32: return get->GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_BOOL: return get->GetBool(message, field);
    default: return get->GetEnumValue(message, field);
  }
}

// Sets a field, or adds to it if it is repeated.
void PutWhole(Message* message, const FieldDescriptor* field, int64_t value) {
  const auto* put = message->GetReflection();
  const auto size = static_cast<uint32_t>(value);
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return field->is_repeated() ? put->AddUInt32(message, field, size)
                                  : put->SetUInt32(message, field, size);
    case FieldDescriptor::CPPTYPE_BOOL: return put->SetBool(message, field, value != 0);
    default: return put->SetEnumValue(message, field, static_cast<int>(value));
  }
}

// Copies a repeated field to one of the same type.
void CopyRepeated(const Message& from, const FieldDescriptor* field, Message* to,
                  const FieldDescriptor* target) {
  const auto* get = from.GetReflection();
  const auto* put = to->GetReflection();
  for (int i = 0; i < get->FieldSize(from, field); ++i) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      put->AddFloat(to, target, get->GetRepeatedFloat(from, field, i));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      put->AddString(to, target, get->GetRepeatedString(from, field, i));
    } else {
      put->AddMessage(to, target)->CopyFrom(get->GetRepeatedMessage(from, field, i));
    }
  }
}

}  // namespace

const FieldDescriptor* FieldOf(const Message& message, const std::string& name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

std::vector<const FieldDescriptor*> FieldsSet(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return fields;
}

void CopySingle(const Message& from, const FieldDescriptor* field, Message* to,
                const FieldDescriptor* target) {
  const auto* get = from.GetReflection();
  const auto* put = to->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_FLOAT:
      return put->SetFloat(to, target, get->GetFloat(from, field));
    case FieldDescriptor::CPPTYPE_STRING:
      return put->SetString(to, target, get->GetString(from, field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return put->MutableMessage(to, target)->CopyFrom(get->GetMessage(from, field));
    default: return PutWhole(to, target, GetWhole(from, field));
  }
}

bool CopySameName(const Message& from, const FieldDescriptor* field, Message* to) {
  const FieldDescriptor* target = FieldOf(*to, field->name());
  if (target == nullptr || target->is_repeated() != field->is_repeated()) return false;
  field->is_repeated() ? CopyRepeated(from, field, to, target)
                       : CopySingle(from, field, to, target);
  return true;
}

}  // namespace crema
