#include <algorithm>

#include "base/strings.h"
#include "crema.pb.h"
#include "net/passes.h"

namespace crema {
namespace {

// Up to two axes both layouts are the same, and called plain.
bool HasLayout(const BlobNode& blob) { return blob.shape.rank() > 2; }

constexpr char kBefore[] = " before";

// The type of a layer that changes the layout.
std::string TypeOfChange(Layout to) { return Concat("(to ", ToString(to), ")"); }

class LayoutPlanner {
 public:
  explicit LayoutPlanner(Graph* graph) : graph_(graph) {}

  void Run() {
    // Layers that are put in go to a list of their own: the pass walks the old one.
    std::vector<LayerNode> old = std::move(graph_->layers);
    graph_->layers.clear();
    for (size_t i = 0; i < graph_->blobs.size(); ++i) current_.push_back(static_cast<int>(i));
    for (LayerNode& node : old) {
      Place(&node);
      new_index_.push_back(static_cast<int>(graph_->layers.size()));
      for (size_t t = 0; t < node.tops.size(); ++t) {
        if (!IsInPlace(node, t)) graph_->blobs[node.tops[t]].producer = new_index_.back();
      }
      graph_->layers.push_back(std::move(node));
    }
    for (ParamNode& param : graph_->params) param.layer = new_index_[param.layer];
    for (int& output : graph_->outputs) MakePlain(&output);
  }

 private:
  static bool IsInPlace(const LayerNode& node, size_t top) {
    return top < node.bottoms.size() && node.bottoms[top] == node.tops[top];
  }

  // The blob that stands for this one now.
  int Current(int blob) {
    while (current_[blob] != blob) blob = current_[blob] = current_[current_[blob]];
    return blob;
  }

  void Place(LayerNode* node) {
    for (int& bottom : node->bottoms) bottom = Current(bottom);
    const bool follows = std::any_of(node->bottoms.begin(), node->bottoms.end(), [&](int b) {
      return HasLayout(graph_->blobs[b]) && graph_->blobs[b].layout == Layout::kChannelsLast;
    });
    const bool last =
        node->traits.needs_channels_last || (node->traits.accepts_channels_last && follows);
    const Layout layout = last ? Layout::kChannelsLast : Layout::kPlain;
    for (size_t b = 0; b < node->bottoms.size(); ++b) {
      const bool in_place = b < node->tops.size() && Current(node->tops[b]) == node->bottoms[b];
      const BlobNode& blob = graph_->blobs[node->bottoms[b]];
      if (HasLayout(blob) && blob.layout != layout) Convert(layout, in_place, &node->bottoms[b]);
    }
    for (size_t t = 0; t < node->tops.size(); ++t) {
      node->tops[t] = Current(node->tops[t]);
      BlobNode& blob = graph_->blobs[node->tops[t]];
      blob.layout = HasLayout(blob) ? layout : Layout::kPlain;
      // The blob that it shares with may have another one in its place now.
      if (IsInPlace(*node, t)) continue;
      if (blob.shares_data_with >= 0) blob.shares_data_with = node->bottoms[0];
      if (blob.shares_diff_with >= 0) blob.shares_diff_with = node->bottoms[0];
    }
    node->layout = layout;
    if (last) PlanLayer(PlanInputOf(*graph_, *node), node);
  }

  // Puts a layer in that brings *blob into the layout, in a new blob that *blob then stands for.
  // The new one takes the name over where it goes on as the blob that users know.
  void Convert(Layout layout, bool takes_name, int* blob) {
    const std::string type = TypeOfChange(layout);
    const int from = *blob, to = static_cast<int>(graph_->blobs.size());
    BlobNode node = graph_->blobs[from];
    const std::string name = node.name;
    node.layout = layout;
    node.shares_data_with = node.shares_diff_with = -1;
    node.loss_weight = 0;
    node.producer = static_cast<int>(graph_->layers.size());
    const std::string suffix = Concat(" ", type, " ", ++converted_);
    if (takes_name) {
      graph_->blobs[from].name += Concat(kBefore, suffix);
      graph_->blobs[from].is_output = false;
      current_[from] = to;
    } else {
      node.name += suffix;
      node.is_output = false;
    }
    graph_->blobs.push_back(node);
    current_.push_back(to);  // itself
    AddLayer(type, name + suffix, layout, from, to);
    *blob = to;
  }

  void AddLayer(const std::string& type, const std::string& name, Layout layout, int from, int to) {
    proto::LayerParameter config;
    config.set_type(type);
    config.set_name(name);
    config.add_bottom(graph_->blobs[from].name);
    config.add_top(graph_->blobs[to].name);
    LayerNode node;
    node.layer = CreateLayer(config, graph_->phase, graph_->device);
    node.traits = node.layer->traits();
    node.layout = layout;
    node.bottoms = {from};
    node.tops = {to};
    node.loss_weights = {0};
    node.made_by_pass = true;
    PlanLayer(PlanInputOf(*graph_, node), &node);
    graph_->layers.push_back(std::move(node));
  }

  void MakePlain(int* output) {
    *output = Current(*output);
    const BlobNode& blob = graph_->blobs[*output];
    if (HasLayout(blob) && blob.layout != Layout::kPlain) Convert(Layout::kPlain, true, output);
  }

  Graph* graph_;
  std::vector<int> current_;    // by blob: the one that stands for it now, or one on the way there
  std::vector<int> new_index_;  // by layer
  int converted_ = 0;
};

}  // namespace

void PlanLayout(Graph* graph) { LayoutPlanner(graph).Run(); }

std::string NameWithoutLayout(std::string name) {
  for (const Layout layout : {Layout::kPlain, Layout::kChannelsLast}) {
    const size_t at = name.find(" " + TypeOfChange(layout));
    if (at == std::string::npos) continue;
    name.resize(at);
    const size_t before = name.rfind(kBefore);
    const size_t length = sizeof kBefore - 1;
    if (before != std::string::npos && before + length == name.size()) name.resize(before);
  }
  return name;
}

}  // namespace crema
