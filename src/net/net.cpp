// A net's passes: which of its parts is called when. What each part does stands in src/net/run.
#include "crema/net.h"

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/dev/carries_state.h"
#include "crema/dev/fusible.h"
#include "crema/dev/host_tasks.h"
#include "math/vector_ops.h"
#include "net/passes.h"
#include "net/reshape.h"
#include "net/run/arena.h"
#include "net/run/data_sources.h"
#include "net/run/debug_info.h"
#include "net/run/gradient_sums.h"
#include "net/run/layer_caller.h"
#include "net/run/layer_states.h"
#include "net/run/lifetime_check.h"
#include "net/run/net_blobs.h"
#include "net/run/net_parameters.h"
#include "net/run/observer_list.h"
#include "net/run/slice_runner.h"
#include "net/run/weights.h"

namespace crema {
namespace {

CompileOptions OptionsFor(const proto::NetParameter& config, const NetOptions& options) {
  CompileOptions compile = options;
  if (config.debug_info()) {  // which looks at every blob
    compile.keep_blobs = true;
    compile.fuse = false;
  }
  return compile;
}

void CheckIndex(const Graph& graph, int layer) {
  const int layers = static_cast<int>(graph.layers.size());
  if (layer >= 0 && layer < layers) return;
  Fail("the net '", graph.name, "' has no layer number ", layer, "; it has ", layers,
       ", counted from 0");
}

std::string InputNames(const Graph& graph) {
  std::vector<std::string> names;
  for (size_t i = 0; i < graph.blobs.size(); ++i) {
    if (IsInput(graph, static_cast<int>(i))) names.push_back(graph.blobs[i].name);
  }
  return names.empty() ? "it has none" : Concat("it has ", Join(names, ", "));
}

}  // namespace

Net::Net(const proto::NetParameter& config, std::shared_ptr<Device> device,
         const NetOptions& options)
    : threads_(ThreadsToUse(options.threads)), logs_debug_info_(config.debug_info()) {
  const PlansForThreads threads(threads_);
  CheckDevices(config.name(), device, options);
  StartThreads(threads_);
  graph_ = CompileNet(config, device->kind(), OptionsFor(config, options));
  context_ = std::make_unique<Context>(std::move(device), options.seed, options.rank);
  loss_ = Tensor(context_->shared_device(), graph_.dtype, Shape{});
  VectorOpsFor(context_->kind()).Fill(*context_, loss_, 0);
  DataSources(graph_, context_->rank().count).CheckShared();
  MakeParts(options);
  AdoptShapes();
  for (const LayerNode& node : graph_.layers) {
    if (node.absorbed_by >= 0) continue;
    try {
      node.layer->Start(*context_);
    } catch (...) {
      RethrowFor(node);
    }
  }
}

Net::~Net() = default;

void Net::CheckDevices(const std::string& name, const std::shared_ptr<Device>& device,
                       const NetOptions& options) {
  if (device == nullptr) {
    Fail("the net '", name, "' was created without a device; open one with OpenDevice");
  }
  for (const Net* other : {options.share_memory_with, options.share_params_with}) {
    if (other == nullptr || other->context_->shared_device() == device) continue;
    Fail("the net '", name, "' cannot share with the net '", other->name(),
         "', which is on another device; open the device once and use it for both");
  }
}

void Net::MakeParts(const NetOptions& options) {
  const auto& device = context_->shared_device();
  const Net *const lender = options.share_params_with, *const host = options.share_memory_with;
  parameters_ = std::make_unique<NetParameters>(
      graph_, *context_, lender == nullptr ? nullptr : lender->parameters_.get());
  parameters_->Fill(options.seed);
  gradient_sums_ = std::make_unique<GradientSums>(graph_, *parameters_);
  blobs_ = std::make_unique<NetBlobs>(
      graph_, host == nullptr ? std::make_shared<Arena>(device) : host->blobs_->arena(), device);
  states_ = std::make_unique<LayerStates>(graph_, device);
  lifetime_check_ = std::make_unique<LifetimeCheck>(blobs_->memory(), options.check_memory);
  layer_caller_ = std::make_unique<LayerCaller>(graph_, blobs_->memory());
  slice_runner_ = std::make_unique<SliceRunner>(graph_, blobs_.get(), *layer_caller_,
                                                *lifetime_check_, threads_);
  debug_info_ = std::make_unique<DebugInfo>(graph_, *blobs_, *parameters_);
}

// Finds memory for the shapes that the graph has now, and moves there. Throws Error if there is not
// enough; what must not be lost then has its old memory and the new one at once, but not the arena,
// by far the largest part.
void Net::AdoptShapes() {
  PlannedMemory::Next memory = blobs_->Prepare();
  std::optional<LayerStates> states;
  if (!states_->Fit()) states = states_->Resized();
  slice_runner_->MakeContexts(*context_);
  blobs_->ReserveArena(memory);  // the last step that may fail
  blobs_->Adopt(std::move(memory));
  if (states.has_value()) *states_ = std::move(*states);
  // What is there, which may be more than the plan asks for.
  memory_ = blobs_->memory().plan().memory;
  memory_.kept = blobs_->memory().kept()->bytes();
  memory_.arena = blobs_->memory().arena()->bytes();
  memory_.params = parameters_->values().bytes();
  memory_.param_gradients = parameters_->gradients().bytes();
  BindLayers();
}

// Gives the layers their parameters and states; whenever they were planned.
void Net::BindLayers() {
  if (!states_->Fit()) *states_ = states_->Resized();
  memory_.state = states_->bytes();
  for (size_t l = 0; l < graph_.layers.size(); ++l) {
    const LayerNode& node = graph_.layers[l];
    const BlobList params = parameters_->Of(node);
    const std::vector<bool> wants_gradient = parameters_->WantGradients(node);
    node.layer->Bind(params, states_->Of(l), wants_gradient);
    if (node.absorbed_by < 0) continue;
    Layer* host = graph_.layers[node.absorbed_by].layer.get();
    dynamic_cast<Fusible&>(*host).BindConsumer(*node.layer, params, wants_gradient);
  }
}

void Net::Reshape(const std::map<std::string, Shape>& inputs) {
  const PlansForThreads threads(threads_);
  const std::vector<Shape> before = ShapesOf(graph_);
  std::vector<Shape> after = before;
  for (const auto& [input, shape] : inputs) {
    const int blob = blobs_->IndexOf(input);
    if (blob < 0 || !IsInput(graph_, blob)) {
      Fail("net '", name(), "': '", input, "' is not an input, so it cannot be reshaped; ",
           InputNames(graph_));
    }
    after[blob] = Shape(shape.dims());  // at() checks nothing
  }
  try {
    InferShapesFor(after, &graph_);
    AdoptShapes();
  } catch (...) {
    InferShapesFor(before, &graph_);
    blobs_->Restore();
    BindLayers();
    throw;
  }
}

void Net::Forward(uint64_t step, PassObserver* observer) {
  BeginPass(step);
  ObserverList observers;
  observers.Add(observer);
  if (logs_debug_info_) observers.Add(debug_info_.get());
  observers.BeginForward();
  for (size_t l = 0; l < graph_.layers.size(); ++l) {
    const int slices = SlicesOf(graph_, l), layer = static_cast<int>(l);
    if (slices >= 0) {
      slice_runner_->Run(static_cast<size_t>(slices), &observers);
      l = graph_.slices[slices].last - 1;
      continue;
    }
    observers.BeforeForward(layer, 0);
    ForwardLayer(layer);
    observers.AfterForward(layer, 0);
  }
}

// The debug info reads the gradients of a layer before the observer, and all of them after it: in
// between, an observer that combines them with those of other ranks may be changing them.
void Net::Backward(PassObserver* observer) {
  ObserverList observers;
  if (logs_debug_info_) observers.Add(debug_info_.get());
  observers.Add(observer);
  for (int i = static_cast<int>(graph_.layers.size()) - 1; i >= 0; --i) {
    observers.BeforeBackward(i);
    BackwardLayer(i);
    observers.AfterBackward(i);
  }
  if (observer != nullptr) observer->EndBackward();
  if (logs_debug_info_) debug_info_->EndBackward();
}

// The threads that the net was planned for may not have been started by this one.
void Net::BeginPass(uint64_t step) {
  StartThreads(threads_);
  const PlansForThreads threads(threads_);
  blobs_->UseArena();
  lifetime_check_->BeginPass();
  context_->SetStep(step);
  slice_runner_->SetStep(step);
  VectorOpsFor(context_->kind()).Fill(*context_, loss_, 0);
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
  if (node.traits.shapes_depend_on_data) AdaptToData(i);
  layer_caller_->Forward(i, blobs_->bottoms(i), blobs_->tops(i), 0, context_.get());
  AddLosses(i);
  lifetime_check_->EndStep(ForwardStep(i));
}

void Net::BackwardLayer(int i) {
  CheckIndex(graph_, i);
  const PlansForThreads threads(threads_);
  const LayerNode& node = graph_.layers[i];
  if (!node.runs_backward) return;
  for (int layer : blobs_->memory().plan().recomputed[i]) {
    layer_caller_->Recompute(layer, blobs_->bottoms(layer), blobs_->tops(layer), context_.get());
  }
  StartGradientsOfTops(i);
  gradient_sums_->SetOverwriteGradients(node);
  layer_caller_->Backward(i, blobs_->bottoms(i), blobs_->tops(i), context_.get());
  lifetime_check_->EndStep(BackwardStep(graph_, i));
}

// The tops of such a layer have as many elements as its data ask for. Blobs after it keep their
// places, which are large enough for all of the data.
void Net::AdaptToData(int layer) {
  std::vector<Shape> shapes;
  const LayerNode& node = graph_.layers[layer];
  try {
    shapes = node.layer->ShapesOfTops(*context_, blobs_->bottoms(layer));
  } catch (...) {
    RethrowFor(node);
  }
  if (!SetTopShapes(layer, shapes, &graph_)) return;
  blobs_->UpdateShapes();
  BindLayers();
}

void Net::AddLosses(int layer) {
  const std::vector<float>& weights = graph_.layers[layer].loss_weights;
  const BlobList& tops = blobs_->tops(layer);
  for (size_t t = 0; t < tops.size(); ++t) {
    if (weights[t] == 0) continue;
    VectorOpsFor(context_->kind())
        .AddScaledSum(*context_, tops[t]->data_tensor(), weights[t], loss_);
  }
}

// Where no layer above sends one: zeros, or the top's share in the loss.
void Net::StartGradientsOfTops(int layer) {
  const LayerNode& node = graph_.layers[layer];
  const BlobList& tops = blobs_->tops(layer);
  for (int t : blobs_->memory().plan().unsent[layer]) {
    const Tensor& gradient = tops[t]->diff_tensor();
    context_->device().Zero(gradient.raw(), gradient.bytes());
  }
  for (size_t t = 0; t < tops.size(); ++t) {
    if (!node.starts_gradient[t]) continue;
    VectorOpsFor(context_->kind()).Fill(*context_, tops[t]->diff_tensor(), node.loss_weights[t]);
  }
}

void Net::ClearGradients() {
  const PlansForThreads threads(threads_);
  gradient_sums_->Begin(*context_, lifetime_check_->is_on());
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

std::string WhatIsWrongAfterForward(const LayerNode& node, Context& ctx) {
  try {
    return node.layer->CheckAfterForward(ctx);
  } catch (...) {
    RethrowFor(node);
  }
}

}  // namespace

void Net::CheckAfterForward() {
  for (LayerNode& node : graph_.layers) {
    const std::string problem = WhatIsWrongAfterForward(node, *context_);
    if (!problem.empty()) throw Error(WithNamesInText(graph_, node, problem));
  }
}

Layer* Net::FindLayer(const std::string& name) const {
  for (const LayerNode& node : graph_.layers) {
    if (node.layer->name() == name) return node.layer.get();
  }
  return nullptr;
}

Blob& Net::blob(int i) const { return blobs_->blob(i); }

Blob* Net::FindBlob(const std::string& name) const { return blobs_->Find(name); }

Blob& Net::param(int i) const { return parameters_->blob(i); }

const Tensor& Net::flat_params() const { return parameters_->values(); }

const Tensor& Net::flat_gradients() const { return parameters_->gradients(); }

WeightsReport Net::LoadWeights(const std::string& path) { return crema::LoadWeights(path, graph_); }

void Net::ToProto(proto::NetParameter* out, bool with_gradients) const {
  SaveWeights(graph_, with_gradients, out);
}

std::vector<std::pair<std::string, uint64_t>> Net::DataPositions() const {
  return DataPositionsBefore(0);
}

std::vector<std::pair<std::string, uint64_t>> Net::DataPositionsBefore(uint64_t passes) const {
  return DataSources(graph_, context_->rank().count).PositionsBefore(passes);
}

void Net::SeekData(const std::vector<std::pair<std::string, uint64_t>>& positions) {
  DataSources(graph_, context_->rank().count).Seek(positions);
}

void Net::SeekPasses(uint64_t passes) {
  DataSources(graph_, context_->rank().count).SeekPasses(passes);
}

std::optional<double> Net::WaitedSeconds() const {
  return DataSources(graph_, context_->rank().count).WaitedSeconds();
}

std::vector<std::pair<std::string, std::vector<Tensor>>> Net::CarriedStates() const {
  std::vector<std::pair<std::string, std::vector<Tensor>>> states;
  for (const LayerNode& node : graph_.layers) {
    const auto* carries = dynamic_cast<const CarriesState*>(node.layer.get());
    if (carries != nullptr) states.emplace_back(node.layer->name(), carries->carried());
  }
  return states;
}

std::string Net::Describe() const {
  return DescribePlan(graph_, memory_, context_->device().name());
}

}  // namespace crema
