// Copies fields between messages of different types by reflection.
#pragma once

#include <string>
#include <vector>

namespace google::protobuf {
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace crema {

// The field of this name; null if the message's type has none.
const google::protobuf::FieldDescriptor* FieldOf(const google::protobuf::Message& message,
                                                 const std::string& name);

// The fields that are set, in the order of their numbers.
std::vector<const google::protobuf::FieldDescriptor*> FieldsSet(
    const google::protobuf::Message& message);

// Copies a field that is not repeated to `target`, a field of `to` that may be repeated (the value
// is then added) and may be of another integer type.
void CopySingle(const google::protobuf::Message& from,
                const google::protobuf::FieldDescriptor* field, google::protobuf::Message* to,
                const google::protobuf::FieldDescriptor* target);

// Copies to the field of the same name. Returns false if `to` has none, or only one of the two is
// repeated.
bool CopySameName(const google::protobuf::Message& from,
                  const google::protobuf::FieldDescriptor* field, google::protobuf::Message* to);

}  // namespace crema
