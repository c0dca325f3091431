#include "train/carried_state.h"

#include "crema.pb.h"
#include "crema/error.h"
#include "tensor/saved_tensor.h"

namespace crema {

namespace {

// The first entry of that name at `from` or behind it; else the number of entries.
int FindCarried(const proto::SolverProgress& progress, const std::string& name, int from) {
  while (from < progress.carried_layer_size() && progress.carried_layer(from) != name) ++from;
  return from;
}

}  // namespace

void SaveCarried(const Net& net, const std::string& prefix, proto::SolverProgress* progress) {
  for (const auto& [layer, tensors] : net.CarriedStates()) {
    for (const Tensor& tensor : tensors) {
      progress->add_carried_layer(prefix + layer);
      SaveTensor(tensor, tensor.shape(), progress->add_carried_value());
    }
  }
}

void RestoreCarried(const proto::SolverProgress& progress, const std::string& prefix,
                    const std::string& path, const Net& net, int* next) {
  if (progress.carried_layer_size() != progress.carried_value_size()) {
    Fail(InFile(path), ": is damaged: it has ", progress.carried_value_size(), " values for ",
         progress.carried_layer_size(), " layers with state");
  }
  for (const auto& [layer, tensors] : net.CarriedStates()) {
    int at = FindCarried(progress, prefix + layer, *next);
    for (const Tensor& tensor : tensors) {
      if (at == progress.carried_layer_size()) break;
      const SavedBlob blob = FromProto(progress.carried_value(at++), path);
      if (static_cast<int64_t>(blob.data.size()) != tensor.count()) {
        Fail(InFile(path), ": layer '", layer, "' has ", tensor.count(), " state values, but ",
             blob.data.size(), " were saved; resume with the same net");
      }
      RestoreTensor(blob, tensor);
      *next = at;
    }
  }
}

}  // namespace crema
