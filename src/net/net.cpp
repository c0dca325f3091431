#include "crema/net/net.h"

#include <algorithm>

#include "base/counted.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/layer/carries_state.h"
#include "crema/math/host_tasks.h"
#include "crema/math/vector_ops.h"
#include "net/passes.h"
#include "schema/weights_io.h"

namespace crema {
namespace {

// Layers in place may have made several blobs of one name, which then means the last one; or the
// input, for users to fill.
std::map<std::string, int> NameBlobs(const Graph& graph) {
  std::map<std::string, int> names;
  for (const LayerNode& node : graph.layers) {
    for (int top : node.tops) {
      int& index = names.emplace(graph.blobs[top].name, top).first->second;
      const LayerNode& producer = graph.layers[graph.blobs[index].producer];
      if (!producer.traits.tops_take_any_shape) index = top;
    }
  }
  return names;
}

}  // namespace

Net::Net(const proto::NetParameter& config, std::shared_ptr<Device> device,
         const NetOptions& options)
    : threads_(ThreadsToUse(options.threads)),
      seed_(options.seed),
      debug_info_(config.debug_info()),
      check_memory_(options.check_memory) {
  const PlansForThreads threads(threads_);
  CompileOptions compile = options;
  if (debug_info_) {  // which looks at every blob
    compile.keep_blobs = true;
    compile.fuse = false;
  }
  if (device == nullptr) {
    Fail("the net '", config.name(), "' was created without a device; open one with OpenDevice");
  }
  for (const Net* other : {options.share_memory_with, options.share_params_with}) {
    if (other == nullptr || other->context_->shared_device() == device) continue;
    Fail("the net '", config.name(), "' cannot share with the net '", other->name(),
         "', which is on another device; open the device once and use it for both");
  }
  StartThreads(threads_);
  graph_ = CompileNet(config, device->kind(), compile);
  context_ = std::make_unique<Context>(std::move(device), options.seed);
  arena_use_.arena = options.share_memory_with == nullptr
                         ? std::make_shared<Arena>()
                         : options.share_memory_with->arena_use_.arena;
  blob_index_ = NameBlobs(graph_);
  loss_ = Tensor(context_->shared_device(), graph_.dtype, Shape{});
  VectorOpsFor(context_->kind()).Fill(*context_, loss_, 0);
  AllocateParams(options.share_params_with);
  FillParams();
  MoveIn(FindRoom());
  arena_use_.net = this;
  arena_use_.arena->users.push_back(this);
  for (const LayerNode& node : graph_.layers) {
    if (node.absorbed_by < 0) node.layer->Start(*context_);
  }
}

Net::~Net() = default;

namespace {

void CheckIndex(const Graph& graph, int layer) {
  const int layers = static_cast<int>(graph.layers.size());
  if (layer >= 0 && layer < layers) return;
  Fail("the net '", graph.name, "' has no layer number ", layer, "; it has ", layers,
       ", counted from 0");
}

// The layers that have parameters, by name.
std::map<std::string, const LayerNode*> Learners(const Graph& graph) {
  std::map<std::string, const LayerNode*> learners;
  for (const LayerNode& node : graph.layers) {
    if (!node.params.empty()) learners.emplace(node.layer->name(), &node);
  }
  return learners;
}

// By the parameters of `graph`: those of `other` that stand for them; -1: none.
std::vector<int> FindLenders(const Graph& graph, const Net* other) {
  std::vector<int> lenders(graph.params.size(), -1);
  if (other == nullptr) return lenders;
  const auto learners = Learners(other->graph());
  for (size_t i = 0; i < lenders.size(); ++i) {
    const ParamNode& node = graph.params[i];
    const auto theirs = learners.find(graph.layers[node.layer].layer->name());
    if (theirs != learners.end()) lenders[i] = theirs->second->params[node.index];
  }
  return lenders;
}

}  // namespace

void Net::CheckCanShare(const Net& other) const {
  if (other.graph_.dtype != graph_.dtype) {
    Fail("the net '", name(), "' of ", ToString(graph_.dtype), " cannot share the parameters of '",
         other.name(), "', of ", ToString(other.graph_.dtype), "; use the same dtype for both");
  }
  const auto learners = Learners(other.graph_);
  for (const LayerNode& mine : graph_.layers) {
    const auto theirs = learners.find(mine.layer->name());
    if (theirs == learners.end() || mine.params.empty()) continue;
    const size_t count = theirs->second->params.size();
    if (mine.params.size() == count) continue;
    Fail(LayerTitle(*mine.layer), ": has ", Counted(mine.params.size(), "parameter blob"),
         " here and ", count, " in the net it shares weights with; make the two layers equal");
  }
}

void Net::AllocateParams(const Net* other) {
  if (other != nullptr) CheckCanShare(*other);
  std::vector<int64_t> offsets(graph_.params.size(), -1);
  const std::vector<int> lenders = FindLenders(graph_, other);
  int64_t bytes = 0;
  bool any_gradient = false;
  for (size_t i = 0; i < graph_.params.size(); ++i) {
    const ParamNode& node = graph_.params[i];
    const Layer& layer = *graph_.layers[node.layer].layer;
    if (lenders[i] >= 0 && other->param(lenders[i]).shape() != node.decl.shape) {
      Fail(LayerTitle(layer), ": its parameter ", node.index, " has shape ",
           node.decl.shape.ToString(), " here and ", other->param(lenders[i]).shape().ToString(),
           " in the net it shares weights with; make the two layers equal");
    }
    if (lenders[i] >= 0 || node.owner >= 0) continue;
    offsets[i] = bytes;
    bytes += static_cast<int64_t>(ParamBytes(node, graph_.dtype));
    any_gradient = any_gradient || node.wants_gradient;
  }
  const auto& device = context_->shared_device();
  const Shape flat{bytes / static_cast<int64_t>(SizeOf(graph_.dtype))};
  flat_params_ = Tensor(device, graph_.dtype, flat);
  device->Zero(flat_params_.raw(), flat_params_.bytes());
  const bool keeps_gradients = any_gradient && KeepsParamGradients(graph_);
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
  VectorOpsFor(context_->kind()).Fill(*context_, flat_gradients_, 0);
  PlanClearing();
}

std::string Net::Describe() const {
  return DescribePlan(graph_, memory_, context_->device().name());
}

void Net::FillParams() {
  for (size_t i = 0; i < graph_.params.size(); ++i) {
    const ParamNode& node = graph_.params[i];
    if (borrowed_[i] || node.owner >= 0) continue;
    const Layer& layer = *graph_.layers[node.layer].layer;
    const std::string title = Concat(LayerTitle(layer), ", parameter ", node.index);
    const uint64_t key = StableHash(Concat(layer.name(), "/", node.index));
    params_[i]->data_tensor().FromHost(Fill(node.decl.filler, node.decl.shape, seed_, key, title));
  }
}

BlobList Net::Blobs(const std::vector<int>& indices) const {
  BlobList list;
  for (int index : indices) list.push_back(blobs_[index].get());
  return list;
}

// The threads that the net was planned for may not have been started by this one.
void Net::BeginPass(uint64_t step) {
  StartThreads(threads_);
  const PlansForThreads threads(threads_);
  FollowArena();
  if (check_memory_)
    FillWithNan(context_->device(), arena_memory_->memory(), arena_memory_->bytes());
  context_->SetStep(step);
  for (Lane& lane : lanes_) lane.context->SetStep(step);
  VectorOpsFor(context_->kind()).Fill(*context_, loss_, 0);
}

void Net::RunLayer(int i, Context* context, const BlobList& bottoms, const BlobList& tops,
                   int64_t base) {
  LendScratch(plan_->forward_scratch[i], context, base);
  Layer& layer = *graph_.layers[i].layer;
  try {
    layer.Forward(*context, bottoms, tops);
  } catch (...) {
    RethrowFor(layer);
  }
  context->LendScratch(nullptr, 0);
}

void Net::ForwardLayer(int i) {
  CheckIndex(graph_, i);
  const PlansForThreads threads(threads_);
  const LayerNode& node = graph_.layers[i];
  if (node.absorbed_by >= 0) return;
  if (node.parts != 1) {
    Fail(LayerTitle(*node.layer),
         ": cannot run alone, because it runs on a part of the batch at a ",
         "time; create the net with slice_bytes = 0");
  }
  if (node.traits.shapes_depend_on_data) FollowData(i);
  RunLayer(i, context_.get(), bottoms_[i], tops_[i], 0);
  for (size_t t = 0; t < node.tops.size(); ++t) {
    if (node.loss_weights[t] == 0) continue;
    VectorOpsFor(context_->kind())
        .AddScaledSum(*context_, tops_[i][t]->data_tensor(), node.loss_weights[t], loss_);
  }
  LeaveStep(ForwardStep(i));
}

// The layers of a slice, for one part of the images.
void Net::RunPart(size_t slices, int part, int lane, ForwardWatch* watch) {
  Lane& mine = lanes_[lane];
  const int64_t base = LaneBase(slices, lane);
  ShowPart(slices, part, lane);
  for (size_t l = graph_.slices[slices].first; l < graph_.slices[slices].last; ++l) {
    if (graph_.layers[l].absorbed_by >= 0) continue;
    const int layer = static_cast<int>(l);
    if (watch != nullptr) watch->Before(layer, lane);
    RunLayer(layer, mine.context.get(), mine.bottoms[l], mine.tops[l], base);
    if (watch != nullptr) watch->After(layer, lane);
    LeaveLaneStep(slices, lane, ForwardStep(l));
  }
}

void Net::RunSlices(size_t index, ForwardWatch* watch) {
  const PlansForThreads threads(threads_);
  const Slices& slices = graph_.slices[index];
  if (slices.lanes == 1) {
    for (int part = 0; part < slices.count; ++part) RunPart(index, part, 0, watch);
  } else {
    HostTasks(slices.count, slices.lanes,
              [&](int part, int lane) { RunPart(index, part, lane, watch); });
  }
  for (size_t l = slices.first; l < slices.last; ++l) LeaveStep(ForwardStep(l));
}

void Net::Forward(uint64_t step, ForwardWatch* watch) {
  BeginPass(step);
  if (debug_info_) LogInputs();
  for (size_t l = 0; l < graph_.layers.size(); ++l) {
    const int slices = SlicesOf(graph_, l), layer = static_cast<int>(l);
    if (slices >= 0) {
      RunSlices(static_cast<size_t>(slices), watch);
      l = graph_.slices[slices].last - 1;
      continue;
    }
    if (watch != nullptr) watch->Before(layer, 0);
    ForwardLayer(layer);
    if (watch != nullptr) watch->After(layer, 0);
    if (debug_info_) LogForward(layer);
  }
}

void Net::Recompute(int i) {
  LendScratch(plan_->again_scratch[i], context_.get());
  Layer& layer = *graph_.layers[i].layer;
  try {
    layer.ForwardAgain(*context_, bottoms_[i], tops_[i]);
  } catch (...) {
    RethrowFor(layer);
  }
  context_->LendScratch(nullptr, 0);
}

void Net::BackwardLayer(int i) {
  CheckIndex(graph_, i);
  const PlansForThreads threads(threads_);
  const LayerNode& node = graph_.layers[i];
  if (!node.runs_backward) return;
  for (int layer : plan_->again[i]) Recompute(layer);
  for (int t : plan_->unsent[i]) {
    const Tensor& gradient = tops_[i][t]->diff_tensor();
    context_->device().Zero(gradient.raw(), gradient.bytes());
  }
  for (size_t t = 0; t < node.tops.size(); ++t) {
    if (!node.starts_gradient[t]) continue;
    VectorOpsFor(context_->kind())
        .Fill(*context_, tops_[i][t]->diff_tensor(), node.loss_weights[t]);
  }
  TellFresh(node);
  LendScratch(plan_->backward_scratch[i], context_.get());
  try {
    node.layer->Backward(*context_, tops_[i], node.propagate_down, bottoms_[i]);
  } catch (...) {
    RethrowFor(*node.layer);
  }
  context_->LendScratch(nullptr, 0);
  LeaveStep(BackwardStep(graph_, i));
}

void Net::Backward() {
  for (int i = static_cast<int>(graph_.layers.size()) - 1; i >= 0; --i) {
    BackwardLayer(i);
    if (debug_info_ && graph_.layers[i].runs_backward) LogBackward(i);
  }
  if (debug_info_) LogParameterNorms();
}

namespace {

// What a layer says of its bottoms, with the names that the net's text has for them.
std::string WithNamesInText(const Graph& graph, const LayerNode& node, std::string text) {
  const auto& bottoms = node.layer->config().bottom();
  for (int b = 0; b < bottoms.size(); ++b) {
    const std::string quoted = "'" + bottoms.Get(b) + "'";
    const size_t at = text.find(quoted);
    if (at == std::string::npos) continue;
    text.replace(at, quoted.size(), "'" + NameInText(graph, node.bottoms[b]) + "'");
  }
  return text;
}

}  // namespace

void Net::CheckAfterForward() {
  for (LayerNode& node : graph_.layers) {
    const std::string problem = node.layer->CheckAfterForward(*context_);
    if (!problem.empty()) throw Error(WithNamesInText(graph_, node, problem));
  }
}

Layer* Net::FindLayer(const std::string& name) const {
  for (const LayerNode& node : graph_.layers) {
    if (node.layer->name() == name) return node.layer.get();
  }
  return nullptr;
}

Blob* Net::FindBlob(const std::string& name) const {
  const auto it = blob_index_.find(name);
  const bool is_there = it != blob_index_.end() && plan_->data[it->second].offset >= 0;
  return is_there ? blobs_[it->second].get() : nullptr;
}

std::vector<std::pair<std::string, std::vector<Tensor>>> Net::CarriedStates() const {
  std::vector<std::pair<std::string, std::vector<Tensor>>> states;
  for (const LayerNode& node : graph_.layers) {
    const auto* carries = dynamic_cast<const CarriesState*>(node.layer.get());
    if (carries != nullptr) states.emplace_back(node.layer->name(), carries->carried());
  }
  return states;
}

std::optional<double> Net::WaitedSeconds() const {
  std::optional<double> total;
  for (const LayerNode& node : graph_.layers) {
    const std::optional<double> waited = node.layer->waited_seconds();
    if (waited.has_value()) total = total.value_or(0) + *waited;
  }
  return total;
}

namespace {

// How many records one forward pass takes for a layer that reads a source.
uint64_t RecordsOfPass(const Graph& graph, const LayerNode& node) {
  return static_cast<uint64_t>(graph.blobs[node.tops[0]].shape[0]);
}

}  // namespace

std::vector<std::pair<std::string, uint64_t>> Net::DataPositionsBefore(uint64_t passes) const {
  std::vector<std::pair<std::string, uint64_t>> positions;
  for (const LayerNode& node : graph_.layers) {
    const std::optional<uint64_t> position = node.layer->position();
    if (!position.has_value()) continue;
    positions.emplace_back(node.layer->name(), *position - passes * RecordsOfPass(graph_, node));
  }
  return positions;
}

std::vector<std::pair<std::string, uint64_t>> Net::DataPositions() const {
  return DataPositionsBefore(0);
}

void Net::SeekPasses(uint64_t passes) {
  for (LayerNode& node : graph_.layers) {
    if (node.layer->position().has_value()) node.layer->Seek(passes * RecordsOfPass(graph_, node));
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
