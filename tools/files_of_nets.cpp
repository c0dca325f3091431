#include "files_of_nets.h"

#include <google/protobuf/message.h>

#include "base/in_source.h"
#include "base/same_file.h"
#include "crema.pb.h"
#include "crema/dev/writes_file.h"
#include "data/list_file.h"

namespace crema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The options that name what is read have these names in all layers.
void AddSources(const Message& options, std::vector<std::string>* files) {
  for (const char* name : {"source", "mean_file"}) {
    const FieldDescriptor* field = options.GetDescriptor()->FindFieldByName(name);
    const bool is_text = field != nullptr && !field->is_repeated() &&
                         field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    if (!is_text) continue;
    const std::string file = options.GetReflection()->GetString(options, field);
    if (!file.empty()) files->push_back(file);
  }
}

// Calls `act` with each layer that writes a file, and with what it writes. Errors name the layer.
template <class Act>
void ForEachWriter(const Net& net, const Act& act) {
  for (const LayerNode& node : net.graph().layers) {
    Layer* const layer = node.layer.get();
    auto* const writer = dynamic_cast<WritesFile*>(layer);
    if (writer == nullptr) continue;
    const InLayer title(layer->name(), layer->type());
    InSource(
        title, [&] { act(writer); }, title.place());
  }
}

}  // namespace

std::vector<std::string> FilesReadBy(const Net& net) {
  std::vector<std::string> files;
  for (const LayerNode& node : net.graph().layers) {
    const proto::LayerParameter& config = node.layer->config();
    std::vector<const FieldDescriptor*> fields;
    config.GetReflection()->ListFields(config, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      AddSources(config.GetReflection()->GetMessage(config, field), &files);
    }
    if (config.type() != "HDF5Data") continue;
    const std::string& list = config.hdf5_data_param().source();
    for (const std::string& file : ReadFileList(list, "a list of HDF5 files", config.name())) {
      files.push_back(file);
    }
  }
  return files;
}

bool WritesFiles(const Net& net) {
  bool found = false;
  ForEachWriter(net, [&](WritesFile*) { found = true; });
  return found;
}

void CheckWrittenFiles(const Net& net, const std::vector<std::string>& inputs) {
  ForEachWriter(net, [&](WritesFile* writer) { CheckIsNoInput(writer->file_name(), inputs); });
}

void FinishFiles(const Net& net) {
  ForEachWriter(net, [](WritesFile* writer) { writer->FinishFile(); });
}

void DropFiles(const Net& net) {
  ForEachWriter(net, [](WritesFile* writer) { writer->DropFile(); });
}

}  // namespace crema
