// Recomputation: tops that are not kept for the backward pass but made once more when it needs
// them, from bottoms that then have to be there (Chen, Xu, Zhang, Guestrin: "Training deep nets
// with sublinear memory cost", 2016). Which layers do it is a layer's wish, or follows from a
// limit.
#include <algorithm>

#include "base/strings.h"
#include "crema.pb.h"
#include "net/passes.h"

namespace crema {
namespace {

// Which layer changes a blob's values last.
class LastChanges {
 public:
  explicit LastChanges(const Graph& graph)
      : roots_(RootsOf(graph, &BlobNode::shares_data_with)), layers_(graph.blobs.size(), -1) {
    for (size_t l = 0; l < graph.layers.size(); ++l) {
      if (graph.layers[l].absorbed_by >= 0) continue;
      for (int top : graph.layers[l].tops) {
        const bool is_view = graph.blobs[top].shares_data_with >= 0;
        if (!is_view) layers_[roots_[top]] = static_cast<int64_t>(l);
      }
    }
  }

  // Whether a layer from number `first` on changes the values that `blob` has before it.
  bool IsFrom(size_t first, int blob) const {
    return layers_[roots_[blob]] >= static_cast<int64_t>(first);
  }

 private:
  std::vector<int> roots_;       // by blob
  std::vector<int64_t> layers_;  // by root
};

bool KeepsValues(const Graph& graph, int blob) {
  const BlobNode& node = graph.blobs[blob];
  return graph.keep_blobs || node.is_output || node.shares_data_with >= 0;
}

// Why the layer cannot be recomputed; "" where it can.
std::string WhyNotRecompute(const Graph& graph, const LastChanges& changes, size_t layer) {
  const LayerNode& node = graph.layers[layer];
  if (node.bottoms.empty()) return "it has no bottom";
  if (node.tops.empty()) return "it has no top";
  if (!node.traits.can_recompute) return "a second pass would change more than its tops";
  if (node.traits.shapes_depend_on_data) return "the shapes of its tops change";
  for (int top : node.tops) {
    if (KeepsValues(graph, top)) return "its top is kept anyway";
    if (changes.IsFrom(layer + 1, top)) return "a later layer works in place on its top";
  }
  for (int bottom : node.bottoms) {
    if (changes.IsFrom(layer, bottom)) return "its bottom is overwritten";
  }
  return "";
}

// A change of the memory's order goes with the layer before it.
bool IsRequested(const Graph& graph, const LayerNode& node) {
  if (node.made_by_pass && !node.bottoms.empty()) {
    return IsRequested(graph, graph.layers[graph.blobs[node.bottoms[0]].producer]);
  }
  bool wished = node.layer->config().recompute();
  for (int consumer : node.absorbed) {
    wished = wished || graph.layers[consumer].layer->config().recompute();
  }
  return wished;
}

size_t Total(const Graph& graph) { return MemoryOf(graph).Total(); }

int64_t CountOf(const Graph& graph, const std::vector<int>& blobs) {
  int64_t count = 0;
  for (int blob : blobs) count += graph.blobs[blob].shape.count();
  return count;
}

// Numbers that may be forgotten for a microsecond of work, roughly: for the order only. A core does
// some 50 000 operations or moves some 1000 numbers in that time.
double WorthOf(const Graph& graph, const LayerNode& node) {
  double flops = node.layer->ForwardFlops();
  for (int consumer : node.absorbed) flops += graph.layers[consumer].layer->ForwardFlops();
  const auto moved = static_cast<double>(CountOf(graph, node.bottoms) + CountOf(graph, node.tops));
  return static_cast<double>(CountOf(graph, node.tops)) / (flops / 50e3 + moved / 1e3 + 1);
}

// Layers that are marked together: one, or a few in a net of many, for each trial takes a plan of
// the whole net.
using Group = std::vector<size_t>;
constexpr size_t kMostTrials = 128;

// Those that may be marked beside those that are, the best first.
std::vector<Group> Candidates(const Graph& graph) {
  const LastChanges changes(graph);
  std::vector<std::pair<double, size_t>> layers;
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    if (node.absorbed_by < 0 && !node.recomputes && WhyNotRecompute(graph, changes, l).empty())
      layers.emplace_back(WorthOf(graph, node), l);
  }
  std::stable_sort(layers.begin(), layers.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  const size_t each = (layers.size() + kMostTrials - 1) / kMostTrials;
  std::vector<Group> groups;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (i % each == 0) groups.emplace_back();
    groups.back().push_back(layers[i].second);
  }
  return groups;
}

void Mark(const Group& group, bool recomputes, Graph* graph) {
  for (size_t layer : group) graph->layers[layer].recomputes = recomputes;
}

// Takes the mark from layers whose tops nobody needs in the backward pass.
void UnmarkUseless(Graph* graph) {
  const std::vector<int> when = LivesOfValues(*graph).recomputed_for;
  for (size_t l = 0; l < graph->layers.size(); ++l) {
    LayerNode& node = graph->layers[l];
    if (node.recomputes && when[l] < 0) {
      node.recomputes = false;
      node.recompute_note = "the backward pass does not need its top";
    } else if (node.recomputes) {
      node.recompute_note.clear();
    }
  }
}

}  // namespace

void MarkRecomputed(Graph* graph) {
  const LastChanges changes(*graph);
  for (size_t l = 0; l < graph->layers.size(); ++l) {
    LayerNode& node = graph->layers[l];
    if (node.absorbed_by >= 0 || !IsRequested(*graph, node)) continue;
    node.recompute_note = WhyNotRecompute(*graph, changes, l);
    node.recomputes = node.recompute_note.empty();
  }
  UnmarkUseless(graph);
}

namespace {

// Marks as few of the candidates, from the best on, as meet the limit, in a few trials: it halves
// the numbers that come into question. Marks none, and returns none, where all of them together do
// not meet it.
std::vector<Group> MarkMostUseful(size_t limit, Graph* graph) {
  std::vector<Group> groups = Candidates(*graph);
  const auto total_with = [&](size_t count) {
    for (size_t i = 0; i < groups.size(); ++i) Mark(groups[i], i < count, graph);
    return Total(*graph);
  };
  size_t too_few = 0, enough = groups.size();
  if (total_with(enough) > limit) enough = 0;
  while (enough > too_few + 1) {
    const size_t middle = too_few + (enough - too_few) / 2;
    (total_with(middle) <= limit ? enough : too_few) = middle;
  }
  total_with(enough);
  groups.resize(enough);
  return groups;
}

// Marks candidates one by one where that helps, until the limit is met or nothing helps.
std::vector<Group> MarkOneByOne(size_t limit, size_t total, Graph* graph) {
  std::vector<Group> marked;
  // One layer may help only after another: what its bottoms take is then there anyhow.
  for (size_t before = total + 1; total > limit && total < before;) {
    before = total;
    for (const Group& group : Candidates(*graph)) {
      if (total <= limit) break;
      Mark(group, true, graph);
      const size_t now = Total(*graph);
      Mark(group, now < total, graph);
      if (now >= total) continue;
      marked.push_back(group);
      total = now;
    }
  }
  return marked;
}

// Takes the mark from those that are not needed, the dearest first, some at once where they are
// many.
void UnmarkMostExpensive(size_t limit, const std::vector<Group>& marked, Graph* graph) {
  const size_t at_once = marked.size() / kMostTrials + 1;
  for (size_t end = marked.size(); end > 0; end -= std::min(end, at_once)) {
    const size_t begin = end - std::min(end, at_once);
    for (size_t i = begin; i < end; ++i) Mark(marked[i], false, graph);
    const bool needed = Total(*graph) > limit;
    for (size_t i = begin; i < end && needed; ++i) Mark(marked[i], true, graph);
  }
}

}  // namespace

void MeetMemoryLimit(size_t limit, Graph* graph) {
  size_t total = Total(*graph);
  std::vector<Group> marked;
  if (total > limit) marked = MarkMostUseful(limit, graph);
  if (total > limit && marked.empty()) marked = MarkOneByOne(limit, total, graph);
  total = Total(*graph);
  if (total > limit) {
    Fail("the net '", graph->name, "' needs ", BytesToString(static_cast<double>(total)),
         " even if layers are recomputed, but memory_limit leaves ",
         BytesToString(static_cast<double>(limit)),
         "; raise memory_limit, or use a smaller batch with a larger iter_size");
  }
  UnmarkMostExpensive(limit, marked, graph);
  UnmarkUseless(graph);
}

}  // namespace crema
