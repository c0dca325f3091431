// Options of layers that plug-ins bring: extensions of protobuf messages.
#pragma once

#include <shared_mutex>
#include <string>
#include <vector>

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
}  // namespace google::protobuf

namespace crema {

// protobuf's tables of extensions have no lock of their own. Who reads messages holds this one
// shared; who loads a plug-in, which adds to the tables, holds it alone.
std::shared_mutex& ExtensionsMutex();

// All extensions of a message type that are known now, in any order. They are never removed.
std::vector<const google::protobuf::FieldDescriptor*> ExtensionsOf(
    const google::protobuf::Descriptor* type);

// The extension of that name: "my_layer_param", or with its package as protobuf writes it,
// "mine.my_layer_param". Null if there is none.
const google::protobuf::FieldDescriptor* FindExtension(const google::protobuf::Descriptor* type,
                                                       const std::string& name);

}  // namespace crema
