// Which weights of a file belong to which layer, and the copies in both directions.
#include "net/run/weights.h"

#include <algorithm>
#include <map>

#include "base/counted.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "net/passes.h"
#include "schema/weights_io.h"

namespace crema {
namespace {

// Old files pad every shape to four axes with leading ones.
bool ShapeFits(const SavedBlob& saved, const Shape& shape) {
  if (!saved.legacy_shape) return Shape(saved.shape) == shape;
  if (shape.rank() > 4) return false;
  std::vector<int64_t> padded(4 - shape.rank(), 1);
  padded.insert(padded.end(), shape.dims().begin(), shape.dims().end());
  return padded == saved.shape;
}

void CopyLayer(const SavedLayer& saved, const Layer& layer, const std::string& path) {
  const BlobList& params = layer.params();
  if (saved.blobs.size() != params.size()) {
    Fail(LayerTitle(layer), ": has ", Counted(params.size(), "parameter blob"), ", but ",
         InFile(path), " has ", saved.blobs.size(),
         " for it; if the layers differ on purpose, rename it in the net");
  }
  for (size_t i = 0; i < params.size(); ++i) {
    const SavedBlob& blob = saved.blobs[i];
    if (blob.data.empty() && blob.shape.empty()) continue;  // shares another layer's, in HDF5
    if (!ShapeFits(blob, params[i]->shape())) {
      Fail(LayerTitle(layer), ": its parameter ", i, " has shape ", params[i]->shape().ToString(),
           ", but in ", InFile(path), " it has shape ", Shape(blob.shape).ToString(),
           "; change the layer or the size of the net's input to fit, or rename it to train it "
           "from scratch");
    }
    if (!blob.double_data.empty()) {
      params[i]->data_tensor().FromHost(blob.double_data);
    } else {
      params[i]->data_tensor().FromHost(blob.data);
    }
  }
}

// The layers of a net that have one name, of which at most one has parameters.
struct Namesakes {
  const Layer* main = nullptr;                // that one, or the first
  std::map<std::string, const Layer*> first;  // by type
};

std::map<std::string, Namesakes> NamesakesOf(const Graph& graph) {
  std::map<std::string, Namesakes> all;
  for (const LayerNode& node : graph.layers) {
    Namesakes& same = all[node.layer->name()];
    if (same.main == nullptr || !node.params.empty()) same.main = node.layer.get();
    same.first.emplace(node.layer->type(), node.layer.get());
  }
  return all;
}

// The layer of the net that has the name of `saved`; nullptr where there is none. Where several
// have it, the file's others are empty.
const Layer* FindNamesake(const std::map<std::string, Namesakes>& all, const SavedLayer& saved) {
  const auto same = all.find(saved.name);
  if (same == all.end()) return nullptr;
  const Layer* const main = same->second.main;
  if (!saved.blobs.empty()) return main;
  const auto of_type = same->second.first.find(saved.type);
  if (of_type != same->second.first.end()) return of_type->second;
  return main->params().empty() ? main : nullptr;
}

std::string Shapes(const Layer& layer) {
  std::vector<std::string> shapes;
  for (const Blob* param : layer.params()) {
    std::vector<std::string> dims;
    for (int64_t dim : param->shape().dims()) dims.push_back(std::to_string(dim));
    shapes.push_back(Join(dims, "x"));
  }
  return layer.name() + " (" + Join(shapes) + ")";
}

SavedBlob Save(const Blob& blob, bool with_gradient) {
  SavedBlob saved;
  saved.shape = blob.shape().dims();
  const bool is_double = blob.dtype() == DType::kFloat64;
  const auto copy = [&](const Tensor& from, std::vector<float>* floats,
                        std::vector<double>* doubles) {
    if (is_double) *doubles = from.ToHost<double>();
    *floats = from.ToHost<float>();
  };
  copy(blob.data_tensor(), &saved.data, &saved.double_data);
  if (with_gradient && blob.has_diff()) {
    copy(blob.diff_tensor(), &saved.diff, &saved.double_diff);
  }
  return saved;
}

bool OwnsParams(const LayerNode& node, const Graph& graph) {
  return std::any_of(node.params.begin(), node.params.end(),
                     [&](int p) { return graph.params[p].owner < 0; });
}

}  // namespace

WeightsReport LoadWeights(const std::string& path, const Graph& graph) {
  WeightsReport report;
  std::map<std::string, bool> seen;
  const auto namesakes = NamesakesOf(graph);
  for (const SavedLayer& saved : ReadWeightsFile(path)) {
    const Layer* layer = FindNamesake(namesakes, saved);
    if (layer == nullptr) {
      if (!saved.blobs.empty()) report.skipped.push_back(saved.name);
      continue;
    }
    if (saved.blobs.empty() && layer->params().empty()) continue;
    CopyLayer(saved, *layer, path);
    seen[saved.name] = true;
    report.copied.push_back(Shapes(*layer));
  }
  for (const LayerNode& node : graph.layers) {
    if (OwnsParams(node, graph) && !seen[node.layer->name()]) {
      report.left_out.push_back(Shapes(*node.layer));
    }
  }
  return report;
}

void SaveWeights(const Graph& graph, bool with_gradients, proto::NetParameter* out) {
  out->Clear();
  out->set_name(graph.name);
  for (const LayerNode& node : graph.layers) {
    if (node.made_by_pass) continue;
    proto::LayerParameter* layer = out->add_layer();
    *layer = node.layer->config();
    layer->clear_blobs();
    for (const Blob* param : node.layer->params()) {
      ToProto(Save(*param, with_gradients), with_gradients, layer->add_blobs());
    }
  }
}

}  // namespace crema
