// Parameters: whose memory each one uses, and its first values.
#include "net/run/net_parameters.h"

#include <map>
#include <string>

#include "base/counted.h"
#include "base/strings.h"
#include "crema/dev/filler.h"
#include "math/vector_ops.h"
#include "net/passes.h"

namespace crema {
namespace {

// The layers that have parameters, by name.
std::map<std::string, const LayerNode*> Learners(const Graph& graph) {
  std::map<std::string, const LayerNode*> learners;
  for (const LayerNode& node : graph.layers) {
    if (!node.params.empty()) learners.emplace(node.layer->name(), &node);
  }
  return learners;
}

const Layer& LayerOf(const Graph& graph, int param) {
  return *graph.layers[graph.params[param].layer].layer;
}

void CheckTypesAndCounts(const Graph& mine, const Graph& theirs) {
  if (theirs.dtype != mine.dtype) {
    Fail("the net '", mine.name, "' of ", ToString(mine.dtype), " cannot share the parameters of '",
         theirs.name, "', of ", ToString(theirs.dtype), "; use the same dtype for both");
  }
  const auto learners = Learners(theirs);
  for (const LayerNode& node : mine.layers) {
    const auto lender = learners.find(node.layer->name());
    if (lender == learners.end() || node.params.empty()) continue;
    const size_t count = lender->second->params.size();
    if (node.params.size() == count) continue;
    Fail(LayerTitle(*node.layer), ": has ", Counted(node.params.size(), "parameter blob"),
         " here and ", count, " in the net it shares weights with; make the two layers equal");
  }
}

void CheckShapes(const Graph& graph, int param, const Shape& theirs) {
  const ParamNode& node = graph.params[param];
  if (theirs == node.decl.shape) return;
  Fail(LayerTitle(LayerOf(graph, param)), ": its parameter ", node.index, " has shape ",
       node.decl.shape.ToString(), " here and ", theirs.ToString(),
       " in the net it shares weights with; make the two layers equal");
}

// By the parameters of `graph`: those of `lender` that stand for them; null: none.
std::vector<const Blob*> FindLent(const Graph& graph, const NetParameters* lender) {
  std::vector<const Blob*> lent(graph.params.size(), nullptr);
  if (lender == nullptr) return lent;
  CheckTypesAndCounts(graph, lender->graph());
  const auto learners = Learners(lender->graph());
  for (size_t i = 0; i < lent.size(); ++i) {
    const int param = static_cast<int>(i);
    const auto theirs = learners.find(LayerOf(graph, param).name());
    if (theirs == learners.end()) continue;
    lent[i] = &lender->blob(theirs->second->params[graph.params[i].index]);
    CheckShapes(graph, param, lent[i]->shape());
  }
  return lent;
}

std::string NameOf(const Graph& graph, int param) {
  return Concat(LayerOf(graph, param).name(), ".", graph.params[param].index);
}

}  // namespace

NetParameters::NetParameters(const Graph& graph, const Context& ctx, const NetParameters* lender)
    : graph_(graph) {
  const std::vector<const Blob*> lent = FindLent(graph, lender);
  std::vector<int64_t> offsets(graph.params.size(), -1);  // of those that have their own memory
  int64_t bytes = 0;
  bool any_gradient = false;
  for (size_t i = 0; i < graph.params.size(); ++i) {
    const ParamNode& node = graph.params[i];
    if (lent[i] != nullptr || node.owner >= 0) continue;
    offsets[i] = bytes;
    bytes += static_cast<int64_t>(ParamBytes(node, graph.dtype));
    any_gradient = any_gradient || node.wants_gradient;
  }
  Allocate(bytes, any_gradient && KeepsParamGradients(graph), ctx);
  for (size_t i = 0; i < graph.params.size(); ++i) {
    const int param = static_cast<int>(i);
    const Blob blob = lent[i] != nullptr ? Lent(*lent[i], param)
                      : offsets[i] < 0   ? Shared(param)
                                         : Own(param, offsets[i]);
    blobs_.push_back(std::make_unique<Blob>(blob));
    is_borrowed_.push_back(lent[i] != nullptr);
  }
}

void NetParameters::Allocate(int64_t bytes, bool with_gradients, const Context& ctx) {
  const auto& device = ctx.shared_device();
  has_gradients_ = with_gradients;
  const Shape flat{bytes / static_cast<int64_t>(SizeOf(graph_.dtype))};
  values_ = Tensor(device, graph_.dtype, flat);
  device->Zero(values_.raw(), values_.bytes());
  gradients_ = Tensor(device, graph_.dtype, with_gradients ? flat : Shape{0});
  VectorOpsFor(ctx.kind()).Fill(ctx, gradients_, 0);
}

Blob NetParameters::Lent(const Blob& theirs, int i) const {
  return Blob(NameOf(graph_, i), theirs.data_tensor());
}

Blob NetParameters::Shared(int i) const {
  const Blob& owner = *blobs_[graph_.params[i].owner];
  const Shape& shape = graph_.params[i].decl.shape;
  Tensor gradient;
  if (owner.has_diff()) gradient = owner.diff_tensor().Reshaped(shape);
  return Blob(NameOf(graph_, i), owner.data_tensor().Reshaped(shape), gradient);
}

Blob NetParameters::Own(int i, int64_t offset) const {
  const Shape& shape = graph_.params[i].decl.shape;
  const auto at = static_cast<size_t>(offset);
  const Tensor values(values_.buffer(), at, graph_.dtype, shape);
  Tensor gradient;
  if (has_gradients_) gradient = Tensor(gradients_.buffer(), at, graph_.dtype, shape);
  return Blob(NameOf(graph_, i), values, gradient);
}

void NetParameters::Fill(uint64_t seed) const {
  for (size_t i = 0; i < blobs_.size(); ++i) {
    const ParamNode& node = graph_.params[i];
    if (is_borrowed_[i] || node.owner >= 0) continue;
    const Layer& layer = LayerOf(graph_, static_cast<int>(i));
    const std::string title = Concat(LayerTitle(layer), ", parameter ", node.index);
    const uint64_t key = StableHash(Concat(layer.name(), "/", node.index));
    blobs_[i]->data_tensor().FromHost(
        crema::Fill(node.decl.filler, node.decl.shape, seed, key, title));
  }
}

BlobList NetParameters::Of(const LayerNode& layer) const {
  BlobList list;
  for (int p : layer.params) list.push_back(blobs_[p].get());
  return list;
}

std::vector<bool> NetParameters::WantGradients(const LayerNode& layer) const {
  std::vector<bool> wants;
  for (int p : layer.params) {
    wants.push_back(graph_.params[p].wants_gradient && blobs_[p]->has_diff());
  }
  return wants;
}

}  // namespace crema
