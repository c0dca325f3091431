#include "layer/plugin_schema.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "crema/error.h"
#include "schema/extensions.h"

namespace crema {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;

// Looks at one file of a plug-in.
class SchemaCheck {
 public:
  SchemaCheck(const std::string& path, const FileDescriptorProto& file)
      : path_(path), file_(file), pool_(*DescriptorPool::generated_pool()) {}

  void Check() const {
    if (pool_.FindFileByName(file_.name()) != nullptr) {
      Fail(path_, ": its file ", file_.name(),
           " has the name of another one in the program; rename it");
    }
    CheckPackage();
    for (const auto& message : file_.message_type()) {
      CheckName(message.name());
      CheckExtensionsIn(message);
    }
    for (const auto& type : file_.enum_type()) {
      CheckName(type.name());
      for (const auto& value : type.value()) CheckName(value.name());
    }
    for (const auto& service : file_.service()) CheckName(service.name());
    for (const auto& extension : file_.extension()) {
      CheckName(extension.name());
      CheckExtension(extension);
    }
  }

 private:
  // None of its parts may be the name of a message.
  void CheckPackage() const {
    const std::string name = file_.package() + ".";
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
      if (pool_.FindMessageTypeByName(name.substr(0, dot)) == nullptr) continue;
      Fail(path_, ": ", file_.name(), " has the package ", file_.package(),
           ", but there is a message of that name; choose another package");
    }
  }

  void CheckName(const std::string& name) const {
    const std::string full = file_.package().empty() ? name : file_.package() + "." + name;
    const auto* other = pool_.FindFileContainingSymbol(full);
    if (other == nullptr) return;
    Fail(path_, ": ", file_.name(), " defines ", full, ", which ", other->name(),
         " defines, too; rename it, or choose another package");
  }

  void CheckExtensionsIn(const DescriptorProto& message) const {
    for (const auto& extension : message.extension()) CheckExtension(extension);
    for (const auto& inner : message.nested_type()) CheckExtensionsIn(inner);
  }

  void CheckExtension(const FieldDescriptorProto& extension) const {
    const std::string& extendee = extension.extendee();  // ".crema.proto.LayerParameter"
    const Descriptor* type = pool_.FindMessageTypeByName(extendee.substr(extendee[0] == '.'));
    if (type == nullptr) return;  // one of its own
    const FieldDescriptor* other = pool_.FindExtensionByNumber(type, extension.number());
    if (other != nullptr) {
      Fail(path_, ": its field ", extension.name(), " has the number ", extension.number(),
           ", which ", other->full_name(), " of ", other->file()->name(),
           " has, too; choose another number");
    }
    other = type->FindFieldByName(extension.name());
    if (other == nullptr) other = FindExtension(type, extension.name());
    if (other == nullptr) return;
    Fail(path_, ": its field ", extension.name(), " has the name of one that a ", type->name(),
         " has already (of ", other->file()->name(), "); rename it");
  }

  const std::string& path_;
  const FileDescriptorProto& file_;
  const DescriptorPool& pool_;
};

}  // namespace

void CheckPluginSchema(const std::string& path, const std::string& schema) {
  FileDescriptorSet files;
  if (!files.ParseFromString(schema)) Fail(path, ": its options are damaged; build it again");
  for (const auto& file : files.file()) SchemaCheck(path, file).Check();
}

void AdoptPluginSchema(const std::string& schema) {
  FileDescriptorSet files;
  if (!files.ParseFromString(schema)) return;
  for (const auto& file : files.file()) {
    DescriptorPool::generated_pool()->FindFileByName(file.name());
  }
}

}  // namespace crema
