#include "crema/net/net.h"

#include <algorithm>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/math/vector_ops.h"
#include "net/passes.h"
#include "schema/weights_io.h"

namespace crema {

Net::Net(const proto::NetParameter& config, std::shared_ptr<Device> device,
         const NetOptions& options)
    : seed_(options.seed) {
  const proto::NetParameter net = InsertSplits(FilterLayers(config));
  graph_ = BuildGraph(net, options.dtype, device->kind());
  if (options.backward) {
    MarkBackward(net, &graph_);
  } else {
    MarkForwardOnly(&graph_);
  }
  context_ = std::make_unique<Context>(std::move(device), options.seed);
  AllocateBlobs();
  AllocateParams(options.share_params_with);
  FillParams();
  BindLayers();
}

Net::~Net() = default;

void Net::AllocateBlobs() {
  const MemoryPlan plan = PlanMemory(graph_);
  const auto& device = context_->shared_device();
  const auto data = std::make_shared<Buffer>(device, plan.data_bytes);
  const auto diff = std::make_shared<Buffer>(device, plan.diff_bytes);
  // Gradients that no layer writes stay zero.
  device->Zero(data->memory(), data->bytes());
  device->Zero(diff->memory(), diff->bytes());
  for (size_t i = 0; i < graph_.blobs.size(); ++i) {
    const BlobNode& node = graph_.blobs[i];
    Tensor values(data, plan.data_offset[i], graph_.dtype, node.shape);
    Tensor gradient;
    if (plan.diff_offset[i] >= 0) {
      gradient = Tensor(diff, plan.diff_offset[i], graph_.dtype, node.shape);
    }
    blobs_.push_back(std::make_unique<Blob>(node.name, values, gradient));
    blob_index_[node.name] = static_cast<int>(i);
  }
  loss_ = Tensor(device, graph_.dtype, Shape{});
  VectorOpsFor(context_->kind()).Fill(*context_, loss_, 0);
  memory_.data = plan.data_bytes;
  memory_.gradients = plan.diff_bytes;
}

namespace {

// The parameter of `other` that stands for parameter `index` of the layer `name`; -1: none.
int FindParam(const Net& other, const std::string& name, int index) {
  const auto& params = other.graph().params;
  for (size_t i = 0; i < params.size(); ++i) {
    const Layer& layer = *other.graph().layers[params[i].layer].layer;
    if (params[i].index == index && layer.name() == name) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

void Net::CheckCanShare(const Net& other) const {
  CREMA_CHECK(other.context_->shared_device() == context_->shared_device(),
              "nets on two devices share parameters");
  CREMA_CHECK(other.graph_.dtype == graph_.dtype, "nets of two number types share parameters");
  for (const LayerNode& mine : graph_.layers) {
    for (const LayerNode& theirs : other.graph_.layers) {
      const bool same = mine.layer->name() == theirs.layer->name();
      if (!same || mine.params.empty() || theirs.params.empty()) continue;
      if (mine.params.size() == theirs.params.size()) continue;
      Fail(LayerTitle(*mine.layer), ": has ", mine.params.size(), " parameter blobs here and ",
           theirs.params.size(), " in the net it shares weights with; make the two layers alike");
    }
  }
}

void Net::AllocateParams(const Net* other) {
  if (other != nullptr) CheckCanShare(*other);
  const auto size = static_cast<int64_t>(SizeOf(graph_.dtype));
  std::vector<int64_t> offsets(graph_.params.size(), -1);
  std::vector<int> lenders(graph_.params.size(), -1);
  int64_t bytes = 0;
  bool any_gradient = false;
  for (size_t i = 0; i < graph_.params.size(); ++i) {
    const ParamNode& node = graph_.params[i];
    const Layer& layer = *graph_.layers[node.layer].layer;
    if (other != nullptr) lenders[i] = FindParam(*other, layer.name(), node.index);
    if (lenders[i] >= 0 && other->param(lenders[i]).shape() != node.decl.shape) {
      Fail(LayerTitle(layer), ": its parameter ", node.index, " has the shape ",
           node.decl.shape.ToString(), " here and ", other->param(lenders[i]).shape().ToString(),
           " in the net it shares weights with; make the two layers alike");
    }
    if (lenders[i] >= 0 || node.owner >= 0) continue;
    offsets[i] = bytes;
    bytes += AlignUp(node.decl.shape.count() * size);
    any_gradient = any_gradient || node.wants_gradient;
  }
  const auto& device = context_->shared_device();
  const Shape flat{bytes / size};
  flat_params_ = Tensor(device, graph_.dtype, flat);
  device->Zero(flat_params_.raw(), flat_params_.bytes());
  // A net for testing, or one that only borrows, keeps no gradients.
  const bool keeps_gradients = any_gradient && std::any_of(
      graph_.layers.begin(), graph_.layers.end(), [](const auto& l) { return l.runs_backward; });
  flat_gradients_ = Tensor(device, graph_.dtype, keeps_gradients ? flat : Shape{0});
  for (size_t i = 0; i < graph_.params.size(); ++i) {
    const ParamNode& node = graph_.params[i];
    const std::string name = Concat(graph_.layers[node.layer].layer->name(), ".", node.index);
    Tensor values, gradient;
    if (lenders[i] >= 0) {
      values = other->param(lenders[i]).data_tensor();
    } else if (node.owner >= 0) {
      values = params_[node.owner]->data_tensor().Reshaped(node.decl.shape);
      const Tensor& owned = params_[node.owner]->diff_tensor();
      if (!owned.empty()) gradient = owned.Reshaped(node.decl.shape);
    } else {
      values = Tensor(flat_params_.buffer(), offsets[i], graph_.dtype, node.decl.shape);
      if (keeps_gradients) {
        gradient = Tensor(flat_gradients_.buffer(), offsets[i], graph_.dtype, node.decl.shape);
      }
    }
    borrowed_.push_back(lenders[i] >= 0);
    params_.push_back(std::make_unique<Blob>(name, values, gradient));
  }
  memory_.params = flat_params_.bytes();
  memory_.param_gradients = flat_gradients_.bytes();
  ClearGradients();
}

void Net::FillParams() {
  for (size_t i = 0; i < graph_.params.size(); ++i) {
    const ParamNode& node = graph_.params[i];
    if (borrowed_[i] || node.owner >= 0) continue;
    const Layer& layer = *graph_.layers[node.layer].layer;
    const std::string title = Concat(LayerTitle(layer), ", parameter ", node.index);
    const uint64_t key = StableHash(Concat(layer.name(), "/", node.index));
    params_[i]->data_tensor().FromHost(
        Fill(node.decl.filler, node.decl.shape, seed_, key, title));
  }
}

BlobList Net::Blobs(const std::vector<int>& indices) const {
  BlobList list;
  for (int index : indices) list.push_back(blobs_[index].get());
  return list;
}

void Net::BindLayers() {
  size_t scratch = 0;
  for (LayerNode& node : graph_.layers) {
    bottoms_.push_back(Blobs(node.bottoms));
    tops_.push_back(Blobs(node.tops));
    BlobList params;
    std::vector<bool> wants;
    for (int p : node.params) {
      params.push_back(params_[p].get());
      wants.push_back(graph_.params[p].wants_gradient && params_[p]->has_diff());
    }
    std::vector<Tensor> state;
    for (const LayerPlan::State& wanted : node.plan.state) {
      state.emplace_back(context_->shared_device(), wanted.dtype.value_or(graph_.dtype),
                         wanted.shape);
      memory_.state += state.back().bytes();
    }
    scratch = std::max(scratch, node.plan.scratch_bytes);
    node.layer->Bind(params, state, wants);
  }
  memory_.scratch = scratch;
  if (scratch > 0) context_->Scratch(scratch);
  for (LayerNode& node : graph_.layers) node.layer->Start(*context_);
}

void Net::BeginPass(uint64_t step) {
  context_->SetStep(step);
  VectorOpsFor(context_->kind()).Fill(*context_, loss_, 0);
}

void Net::ForwardLayer(int i) {
  graph_.layers[i].layer->Forward(*context_, bottoms_[i], tops_[i]);
  const LayerNode& node = graph_.layers[i];
  for (size_t t = 0; t < node.tops.size(); ++t) {
    if (node.loss_weights[t] == 0) continue;
    VectorOpsFor(context_->kind())
        .AddScaledSum(*context_, tops_[i][t]->data_tensor(), node.loss_weights[t], loss_);
  }
}

void Net::Forward(uint64_t step) {
  BeginPass(step);
  for (size_t i = 0; i < graph_.layers.size(); ++i) ForwardLayer(static_cast<int>(i));
}

void Net::BackwardLayer(int i) {
  const LayerNode& node = graph_.layers[i];
  if (!node.runs_backward) return;
  for (size_t t = 0; t < node.tops.size(); ++t) {
    if (!node.starts_gradient[t]) continue;
    VectorOpsFor(context_->kind())
        .Fill(*context_, tops_[i][t]->diff_tensor(), node.loss_weights[t]);
  }
  node.layer->Backward(*context_, tops_[i], node.propagate_down, bottoms_[i]);
}

void Net::Backward() {
  for (int i = static_cast<int>(graph_.layers.size()) - 1; i >= 0; --i) BackwardLayer(i);
}

void Net::ClearGradients() {
  context_->device().Zero(flat_gradients_.raw(), flat_gradients_.bytes());
}

void Net::CheckAfterForward() {
  for (LayerNode& node : graph_.layers) {
    const std::string problem = node.layer->CheckAfterForward(*context_);
    if (!problem.empty()) throw Error(problem);
  }
}

Blob* Net::FindBlob(const std::string& name) const {
  const auto it = blob_index_.find(name);
  return it == blob_index_.end() ? nullptr : blobs_[it->second].get();
}

std::vector<std::pair<std::string, uint64_t>> Net::DataPositions() const {
  std::vector<std::pair<std::string, uint64_t>> positions;
  for (const LayerNode& node : graph_.layers) {
    const std::optional<uint64_t> position = node.layer->position();
    if (position.has_value()) positions.emplace_back(node.layer->name(), *position);
  }
  return positions;
}

void Net::SeekPasses(uint64_t passes) {
  for (LayerNode& node : graph_.layers) {
    if (!node.layer->position().has_value()) continue;
    const auto batch = static_cast<uint64_t>(graph_.blobs[node.tops[0]].shape[0]);
    node.layer->Seek(passes * batch);
  }
}

void Net::SeekData(const std::vector<std::pair<std::string, uint64_t>>& positions) {
  auto left = positions;  // layers of one name take theirs in order
  for (LayerNode& node : graph_.layers) {
    const auto it = std::find_if(left.begin(), left.end(), [&](const auto& entry) {
      return entry.first == node.layer->name() && node.layer->position().has_value();
    });
    if (it == left.end()) continue;
    node.layer->Seek(it->second);
    left.erase(it);
  }
}

}  // namespace crema
