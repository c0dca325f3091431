#include <cxxabi.h>

#include <exception>
#include <new>
#include <set>

#include "base/counted.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "net/passes.h"

namespace crema {

InLayer LayerTitle(const Layer& layer) { return {layer.name(), layer.type()}; }

void RethrowFor(const InLayer& layer, const std::string& engine) {
  try {
    throw;
  } catch (const Error& error) {
    if (!error.layer().empty()) throw;
    throw error.About(layer, layer.place());
  } catch (const std::bad_alloc&) {
    Fail(layer, ": out of memory; use a smaller batch size");
  } catch (const std::exception& error) {
    if (engine == "CAFFE") Fail(layer, ": it failed: ", error.what());
    Fail(layer, ": the library that runs it failed: ", error.what(), "; try engine: CAFFE");
  } catch (const abi::__forced_unwind&) {  // the thread is cancelled; glibc ends who stops that
    throw;
  } catch (...) {
    Fail(layer,
         ": it threw something that is no std::exception; its code shall throw crema::Error, with "
         "a sentence that says why");
  }
}

void RethrowFor(const LayerNode& node) { RethrowFor(LayerTitle(*node.layer), node.engine); }

namespace {

// Adds the parameters of layers. Those with the same `param { name }` have the memory and the
// multipliers of the first, their owner.
class ParamAdder {
 public:
  explicit ParamAdder(Graph* graph) : graph_(*graph) {}

  // Those that the plan of the net's last layer, `node`, asks for.
  void Add(const proto::LayerParameter& config, LayerNode* node) {
    const int count = static_cast<int>(node->plan.params.size());
    if (config.param_size() > count) {
      Fail(LayerTitle(*node->layer), ": has ",
           Counted(config.param_size(), "param entry", "param entries"), " but only ",
           Counted(count, "parameter blob"), "; remove some");
    }
    for (int p = 0; p < count; ++p) {
      ParamNode param;
      param.layer = static_cast<int>(graph_.layers.size()) - 1;
      param.index = p;
      param.decl = node->plan.params[p];
      const bool specified = p < config.param_size();
      const proto::ParamSpec spec = specified ? config.param(p) : proto::ParamSpec();
      param.lr_mult = param.decl.learned ? spec.lr_mult() : 0;
      param.decay_mult = param.decl.learned ? spec.decay_mult() : 0;
      param.shared_name = spec.name();
      const int index = static_cast<int>(graph_.params.size());
      if (!spec.name().empty()) Share(spec, index, &param);
      param.wants_gradient = param.lr_mult != 0;
      node->params.push_back(index);
      graph_.params.push_back(param);
    }
  }

  // To be called after the last layer, which may have stated what holds for all that share.
  void FollowOwners() {
    for (ParamNode& param : graph_.params) {
      if (param.owner >= 0) FollowOwner(graph_.params[param.owner], &param);
    }
  }

 private:
  static void FollowOwner(const ParamNode& owner, ParamNode* param) {
    param->lr_mult = owner.lr_mult;
    param->decay_mult = owner.decay_mult;
    param->wants_gradient = owner.wants_gradient;
  }

  // Gives the parameter, which will be number `index`, its owner, or makes it one.
  void Share(const proto::ParamSpec& spec, int index, ParamNode* param) {
    const auto added = owners_.emplace(spec.name(), index);
    if (added.second) {
      explicit_lr_[index] = spec.has_lr_mult();
      explicit_decay_[index] = spec.has_decay_mult();
      return;
    }
    param->owner = added.first->second;
    ParamNode& owner = graph_.params[param->owner];
    const Layer& owner_layer = *graph_.layers[owner.layer].layer;
    const bool permissive = spec.share_mode() == proto::ParamSpec::PERMISSIVE;
    const bool fits = permissive ? owner.decl.shape.count() == param->decl.shape.count()
                                 : owner.decl.shape == param->decl.shape;
    const InLayer title = LayerTitle(*graph_.layers.back().layer);
    if (!fits) {
      Fail(title, ": cannot share the parameter '", spec.name(), "' of ", LayerTitle(owner_layer),
           ": shape ", param->decl.shape.ToString(), " here, ", owner.decl.shape.ToString(),
           " there");
    }
    const std::string of = Concat(title, ": the shared parameter '", spec.name(), "' has ");
    MergeMultiplier(of + "an lr_mult", spec.has_lr_mult(), spec.lr_mult(),
                    &explicit_lr_[param->owner], &owner.lr_mult);
    MergeMultiplier(of + "a decay_mult", spec.has_decay_mult(), spec.decay_mult(),
                    &explicit_decay_[param->owner], &owner.decay_mult);
    owner.wants_gradient = owner.lr_mult != 0;
  }

  // The owner takes a multiplier that only a sharer states; two statements must agree.
  static void MergeMultiplier(const std::string& what, bool stated, float value, bool* owner_stated,
                              float* owner_value) {
    if (!stated) return;
    if (*owner_stated && *owner_value != value) {
      Fail(what, " of ", value, " here and ", *owner_value,
           " in an earlier layer; make them equal");
    }
    *owner_stated = true;
    *owner_value = value;
  }

  Graph& graph_;
  std::map<std::string, int> owners_;  // shared parameters by name
  std::map<int, bool> explicit_lr_, explicit_decay_;
};

// Creates the layers one by one, and connects them by the names of blobs.
class GraphBuilder {
 public:
  GraphBuilder(const proto::NetParameter& net, DType dtype, DeviceKind device, bool backward)
      : net_(net), backward_(backward) {
    graph_.name = net.name();
    graph_.device = device;
    graph_.phase = net.state().phase() == proto::TRAIN ? Phase::kTrain : Phase::kTest;
    graph_.dtype = dtype;
  }

  Graph Run() {
    if (net_.layer_size() == 0) {
      Fail("the net '", net_.name(),
           "' has no layers in this phase; check its include and exclude "
           "rules");
    }
    for (const proto::LayerParameter& config : net_.layer()) AddLayer(config);
    CheckLearnedNames();
    params_.FollowOwners();
    for (const auto& entry : unread_) {
      graph_.blobs[entry.second].is_output = true;
      graph_.outputs.push_back(entry.second);
    }
    return std::move(graph_);
  }

 private:
  // Layers without parameters may have the same name, as in many nets that people use.
  void CheckLearnedNames() const {
    std::set<std::string> names;
    for (const LayerNode& node : graph_.layers) {
      if (node.params.empty() || names.insert(node.layer->name()).second) continue;
      Fail("two layers with parameters are named '", node.layer->name(),
           "'; give them different names, because weights are stored by name");
    }
  }

  void AddLayer(const proto::LayerParameter& config) {
    const Phase phase = !config.has_phase()              ? graph_.phase
                        : config.phase() == proto::TRAIN ? Phase::kTrain
                                                         : Phase::kTest;
    graph_.layers.emplace_back();
    LayerNode& node = graph_.layers.back();
    for (const std::string& bottom : config.bottom()) {
      node.bottoms.push_back(FindBottom(config, bottom));
    }
    PlanInput input = InputBeforeLayer(node, phase);
    CreateLayerOf(config, input, &node);
    try {
      node.traits = node.layer->traits();
    } catch (...) {
      RethrowFor(node);
    }
    CheckCounts(config, node);
    node.runs_backward = backward_ && node.traits.has_backward;
    node.propagate_down.assign(node.bottoms.size(), node.runs_backward);
    input.runs_backward = node.runs_backward;
    input.propagate_down = node.propagate_down;
    input.in_place = IsNamedInPlace(config, 0) && MayWriteOver(node, 0);
    PlanLayer(input, &node);
    node.runs_backward = node.runs_backward && !(node.bottoms.empty() && node.plan.params.empty());
    AddTops(config, &node);
    params_.Add(config, &node);
  }

  // What is known before there is a layer: that it may run backward.
  PlanInput InputBeforeLayer(const LayerNode& node, Phase phase) const {
    PlanInput input;
    for (int bottom : node.bottoms) {
      input.bottoms.emplace_back(graph_.blobs[bottom].shape, graph_.blobs[bottom].dtype);
    }
    input.dtype = graph_.dtype;
    input.phase = phase;
    input.device = graph_.device;
    input.runs_backward = backward_;
    return input;
  }

  void CreateLayerOf(const proto::LayerParameter& config, const PlanInput& input,
                     LayerNode* node) const {
    const Precision precision =
        net_.precision() == proto::BF16 ? Precision::kBFloat16 : Precision::kFloat32;
    EngineChoice choice = CreateByEngine(net_.engine(), {config, input, precision}, graph_.device);
    node->layer = std::move(choice.layer);
    node->engine = choice.engine;
    node->engine_note = choice.note;
  }

  static void CheckCount(const Layer& layer, const char* what, int count, int min, int max) {
    if (count >= min && (max < 0 || count <= max)) return;
    const std::string wanted = max < 0      ? Concat("at least ", min)
                               : min == max ? Concat(min)
                                            : Concat(min, " to ", max);
    Fail(LayerTitle(layer), ": has ", Counted(count, what), ", expected ", wanted);
  }

  static void CheckCounts(const proto::LayerParameter& config, const LayerNode& node) {
    const LayerTraits& traits = node.traits;
    CheckCount(*node.layer, "bottom", config.bottom_size(), traits.min_bottoms, traits.max_bottoms);
    const int min_tops = traits.adds_missing_tops ? 0 : traits.min_tops;
    CheckCount(*node.layer, "top", config.top_size(), min_tops, traits.max_tops);
    if (config.propagate_down_size() > 0 && config.propagate_down_size() != config.bottom_size()) {
      Fail(LayerTitle(*node.layer), ": has ", config.propagate_down_size(), " propagate_down for ",
           Counted(config.bottom_size(), "bottom"), "; give one per bottom, or none");
    }
  }

  int FindBottom(const proto::LayerParameter& config, const std::string& bottom) {
    const auto it = unread_.find(bottom);
    if (it == unread_.end()) {
      Fail(InLayer(config.name(), config.type()), ": no layer above produces its bottom '", bottom,
           "'");
    }
    const int index = it->second;
    unread_.erase(it);
    return index;
  }

  void AddTops(const proto::LayerParameter& config, LayerNode* node) {
    const int named = config.top_size();
    const int wanted =
        node->traits.adds_missing_tops ? std::max(named, node->traits.min_tops) : named;
    if (static_cast<int>(node->plan.tops.size()) < wanted) {
      Fail(LayerTitle(*node->layer), ": has ", Counted(wanted, "top"),
           ", but its Plan gives the shapes of ", node->plan.tops.size(),
           "; correct its Plan or its traits");
    }
    for (int t = 0; t < wanted; ++t) {
      const std::string name =
          t < named ? config.top(t) : Concat("(automatic)_", config.name(), "_", t);
      const int blob = AddTop(config, *node, t, name);
      node->tops.push_back(blob);
      if (t < named) unread_[name] = blob;
      node->loss_weights.push_back(LossWeight(config, node->traits, t, wanted));
      graph_.blobs[blob].loss_weight = node->loss_weights.back();
    }
  }

  int AddTop(const proto::LayerParameter& config, const LayerNode& node, int t,
             const std::string& name) {
    CheckLossType(config, node, t);
    if (IsNamedInPlace(config, t)) return AddTopInPlace(node, t);
    const auto made = made_.emplace(name, graph_.layers.size() - 1);
    if (!made.second) FailTwice(name, *graph_.layers[made.first->second].layer, node, t);
    const int index = AddBlob(name, TypeOfTop(node, t));
    BlobNode& blob = graph_.blobs[index];
    if (node.traits.tops_share_bottom_data) blob.shares_data_with = node.bottoms[0];
    if (node.traits.tops_share_bottom_diff) blob.shares_diff_with = node.bottoms[0];
    needed_[index] = NeedOfTop(node, false);
    return index;
  }

  // `first` makes the blob `top`, which is also the t-th top of the layer of `node`.
  [[noreturn]] void FailTwice(const std::string& top, const Layer& first, const LayerNode& node,
                              int t) const {
    const Layer& second = *node.layer;
    const bool follows = t < static_cast<int>(node.bottoms.size());
    if (follows && NameInText(graph_, node.bottoms[t]) == top) {
      Fail(LayerTitle(second), ": cannot change its bottom '", top,
           "' in place, because another layer reads it, too; rename the top");
    }
    const bool both_begin = first.config().bottom_size() + second.config().bottom_size() == 0;
    Fail(LayerTitle(second), ": its top '", top, "' is already produced by ", LayerTitle(first),
         both_begin ? "; if one is for training and the other for testing, add include { phase: "
                      "TRAIN } to the one and include { phase: TEST } to the other; else rename it"
                    : "; rename it");
  }

  // Whether the file gives top t the name of bottom t.
  static bool IsNamedInPlace(const proto::LayerParameter& config, int t) {
    return t < config.bottom_size() && t < config.top_size() && config.bottom(t) == config.top(t);
  }

  // Whether no layer below needs of bottom t what the layer would write over.
  bool MayWriteOver(const LayerNode& node, int t) const {
    const Need need = needed_[node.bottoms[t]];
    const bool leaves = need == Need::kNothing || (need == Need::kSigns && node.traits.keeps_signs);
    return node.traits.may_run_in_place && leaves;
  }

  // The bottom, or a blob of its own where a layer below needs what the bottom holds.
  int AddTopInPlace(const LayerNode& node, int t) {
    const int bottom = node.bottoms[t];
    const BlobNode& blob = graph_.blobs[bottom];
    if (!node.traits.may_run_in_place) {
      Fail(LayerTitle(*node.layer), ": cannot run in place; rename its top '", blob.name, "'");
    }
    if (blob.shape != node.plan.tops[t].shape || blob.dtype != TypeOfTop(node, t).dtype) {
      Fail(LayerTitle(*node.layer), ": cannot run in place, because its top '", blob.name,
           "' differs from its bottom in shape or number type; rename the top");
    }
    if (!MayWriteOver(node, t)) {
      const int index = AddBlob(blob.name, TypeOfTop(node, t));
      needed_[index] = NeedOfTop(node, false);
      return index;
    }
    // Otherwise the other readers of that memory would see the change.
    graph_.blobs[bottom].shares_data_with = -1;
    needed_[bottom] = std::max(needed_[bottom], NeedOfTop(node, true));
    return bottom;
  }

  TensorType TypeOfTop(const LayerNode& node, int t) const {
    const TensorSpec& top = node.plan.tops[t];
    return {top.shape, top.dtype.value_or(graph_.dtype)};
  }

  // The net's loss is a sum of numbers of its type.
  void CheckLossType(const proto::LayerParameter& config, const LayerNode& node, int t) const {
    const DType dtype = TypeOfTop(node, t).dtype;
    const int tops = std::max(config.top_size(), node.traits.min_tops);
    if (dtype == graph_.dtype || LossWeight(config, node.traits, t, tops) == 0) return;
    Fail(LayerTitle(*node.layer), ": top ", t, " holds ", ToString(dtype),
         " numbers, which cannot be a loss; remove its loss_weight");
  }

  // Made by the layer that is being added.
  int AddBlob(const std::string& name, const TensorType& type) {
    BlobNode blob;
    blob.name = name;
    blob.shape = type.shape;
    blob.dtype = type.dtype;
    blob.producer = static_cast<int>(graph_.layers.size()) - 1;
    graph_.blobs.push_back(blob);
    needed_.push_back(Need::kNothing);
    return static_cast<int>(graph_.blobs.size()) - 1;
  }

  // What a backward pass needs of a value that is there already.
  enum class Need { kNothing, kSigns, kValues };

  // What the layer's backward pass, if there is one, needs of what the layer has made.
  static Need NeedOfTop(const LayerNode& node, bool in_place) {
    const bool reads = node.runs_backward && (node.traits.backward_needs_top_data ||
                                              (in_place && node.traits.backward_needs_bottom_data));
    if (!reads) return Need::kNothing;
    return node.traits.backward_needs_only_signs ? Need::kSigns : Need::kValues;
  }

  // Of `tops` tops.
  static float LossWeight(const proto::LayerParameter& config, const LayerTraits& traits, int top,
                          int tops) {
    if (config.loss_weight_size() > 0 && config.loss_weight_size() != tops) {
      Fail(InLayer(config.name(), config.type()), ": has ", config.loss_weight_size(),
           " loss_weight for ", Counted(tops, "top"), "; give one per top, or none");
    }
    if (top < config.loss_weight_size()) return config.loss_weight(top);
    return traits.is_loss && top == 0 ? 1.0f : 0.0f;
  }

  const proto::NetParameter& net_;
  bool backward_;
  Graph graph_;
  ParamAdder params_{&graph_};
  std::map<std::string, int> unread_;   // blobs that no layer has read yet
  std::map<std::string, size_t> made_;  // by blob: the layer that makes it
  std::vector<Need> needed_;            // by blob: what those who wrote it need of it later
};

}  // namespace

Graph BuildGraph(const proto::NetParameter& net, DType dtype, DeviceKind device, bool backward) {
  return GraphBuilder(net, dtype, device, backward).Run();
}

}  // namespace crema
