#include "schema/extensions.h"

#include <google/protobuf/descriptor.h>

namespace crema {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

std::shared_mutex& ExtensionsMutex() {
  static auto* const mutex = new std::shared_mutex;  // also for threads that outlive main
  return *mutex;
}

std::vector<const FieldDescriptor*> ExtensionsOf(const Descriptor* type) {
  std::vector<const FieldDescriptor*> extensions;
  if (type->extension_range_count() > 0) {
    type->file()->pool()->FindAllExtensions(type, &extensions);
  }
  return extensions;
}

const FieldDescriptor* FindExtension(const Descriptor* type, const std::string& name) {
  for (const FieldDescriptor* extension : ExtensionsOf(type)) {
    if (extension->full_name() == name || extension->name() == name) return extension;
  }
  return nullptr;
}

}  // namespace crema
