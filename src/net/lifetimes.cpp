// When each blob's values and gradients are needed.
#include <numeric>

#include "crema/dev/fusible.h"
#include "net/passes.h"

namespace crema {
namespace {

// What lies between fused layers.
void DropUnused(BlobLives* all) {
  for (int& root : all->root) {
    if (root >= 0 && all->lives[root].empty()) root = -1;
  }
}

// Lets blobs live where others do, one after the other.
class Joiner {
 public:
  explicit Joiner(BlobLives* all) : all_(*all), joined_(all->root.size()) {
    std::iota(joined_.begin(), joined_.end(), 0);
  }

  // As it is by now; -1: no memory.
  int Root(int blob) { return all_.root[blob] < 0 ? -1 : Find(all_.root[blob]); }

  // Makes `blob`, a root, live where the root `other` does.
  void Join(int blob, int other) {
    all_.lives[other].Include(all_.lives[blob].first);
    all_.lives[other].Include(all_.lives[blob].last);
    all_.kept[other] = all_.kept[other] || all_.kept[blob];
    joined_[blob] = other;
  }

  // Tells the blobs; the last call.
  void Finish() {
    for (int& root : all_.root) {
      if (root >= 0) root = Find(root);
    }
  }

 private:
  // Halves the way for the next one who asks.
  int Find(int root) {
    while (joined_[root] != root) root = joined_[root] = joined_[joined_[root]];
    return root;
  }

  BlobLives& all_;
  std::vector<int> joined_;  // by root: the one in whose memory it lives, or one on the way there
};

bool SameSize(const Graph& graph, int a, int b) {
  return BytesOf(graph.blobs[a]) == BytesOf(graph.blobs[b]);
}

// No other bottom of the layer lies where bottom `which` does.
bool IsAlone(const LayerNode& node, size_t which, Joiner* joiner) {
  const int root = joiner->Root(node.bottoms[which]);
  for (size_t b = 0; b < node.bottoms.size(); ++b) {
    if (b != which && joiner->Root(node.bottoms[b]) == root) return false;
  }
  return true;
}

// That top 0 may take the memory of; -1: none.
int BottomToWriteOver(const LayerNode& node) {
  if (node.traits.may_run_in_place) return 0;
  const auto* fusible = dynamic_cast<const Fusible*>(node.layer.get());
  return fusible == nullptr ? -1 : fusible->MayWriteOver();
}

// Lets layers that may run in place write over a bottom that nobody reads after them.
void WriteOverBottoms(const Graph& graph, BlobLives* all) {
  Joiner joiner(all);
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    const int which = BottomToWriteOver(node);
    if (which < 0 || node.absorbed_by >= 0 || node.bottoms.empty() || node.tops.empty()) continue;
    const int bottom = joiner.Root(node.bottoms[which]), top = joiner.Root(node.tops[0]);
    if (bottom == top || all->kept[bottom] || all->kept[top]) continue;
    if (!all->recomputed[bottom].empty() || !all->recomputed[top].empty()) continue;
    if (all->lives[bottom].last != ForwardStep(l) || all->lives[top].first != ForwardStep(l)) {
      continue;
    }
    if (SameSize(graph, bottom, top) && IsAlone(node, which, &joiner)) joiner.Join(top, bottom);
  }
  joiner.Finish();
}

// The same for gradients, which flow the other way.
void WriteOverTops(const Graph& graph, BlobLives* all) {
  Joiner joiner(all);
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    if (!node.traits.may_run_in_place || node.bottoms.empty() || node.tops.empty()) continue;
    if (!node.runs_backward || !node.propagate_down[0]) continue;
    const int bottom = joiner.Root(node.bottoms[0]), top = joiner.Root(node.tops[0]);
    if (bottom == top || top < 0 || all->kept[bottom] || all->kept[top]) continue;
    const int step = BackwardStep(graph, l);
    if (all->lives[bottom].first != step || all->lives[top].last != step) continue;
    if (SameSize(graph, bottom, top) && IsAlone(node, 0, &joiner)) joiner.Join(top, bottom);
  }
  joiner.Finish();
}

// `recomputed` holds when the backward pass needs values. Only those that are recomputed are away
// until then. From the last layer to the first, since what one recomputes with may be recomputed
// too.
void JoinForwardAndBackward(const Graph& graph, BlobLives* all) {
  std::vector<bool> goes_away(graph.blobs.size());
  all->recomputed_for.assign(graph.layers.size(), -1);
  for (size_t l = graph.layers.size(); l-- > 0;) {
    const LayerNode& node = graph.layers[l];
    if (!node.recomputes) continue;
    Life needed;
    for (int top : node.tops) {
      const Life& life = all->recomputed[all->root[top]];
      if (!life.empty()) needed.Include(life.first);
    }
    if (needed.empty()) continue;
    all->recomputed_for[l] = LayerOfBackwardStep(graph, needed.first);
    for (int top : node.tops) {
      all->recomputed[all->root[top]].Include(needed.first);
      goes_away[all->root[top]] = true;
    }
    for (int bottom : node.bottoms) all->recomputed[all->root[bottom]].Include(needed.first);
  }
  for (size_t i = 0; i < graph.blobs.size(); ++i) {
    if (goes_away[i] || all->recomputed[i].empty()) continue;
    all->lives[i].Include(all->recomputed[i].last);
    all->recomputed[i] = {};
  }
}

}  // namespace

std::vector<int> RootsOf(const Graph& graph, int BlobNode::*shares) {
  std::vector<int> roots(graph.blobs.size(), -1), way;
  for (size_t i = 0; i < roots.size(); ++i) {
    int blob = static_cast<int>(i);
    for (; roots[blob] < 0 && graph.blobs[blob].*shares >= 0; blob = graph.blobs[blob].*shares) {
      way.push_back(blob);
    }
    if (roots[blob] < 0) roots[blob] = blob;
    for (int passed : way) roots[passed] = roots[blob];
    way.clear();
  }
  return roots;
}

BlobLives LivesOfValues(const Graph& graph) {
  BlobLives all;
  all.root = RootsOf(graph, &BlobNode::shares_data_with);
  all.lives.resize(graph.blobs.size());
  all.kept.resize(graph.blobs.size());
  for (size_t i = 0; i < graph.blobs.size(); ++i) {
    const BlobNode& blob = graph.blobs[i];
    if (all.root[i] == static_cast<int>(i)) {
      const int lanes = blob.is_part ? graph.slices[SlicesOf(graph, blob.producer)].lanes : 1;
      all.separate += lanes * AlignedBytes(blob);
    }
    const bool is_input = graph.layers[blob.producer].traits.tops_take_any_shape;
    if (graph.keep_blobs || is_input || blob.is_output) all.kept[all.root[i]] = true;
  }
  all.recomputed.resize(graph.blobs.size());
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    if (node.absorbed_by >= 0) continue;
    const auto include = [&](const std::vector<int>& blobs, bool in_backward) {
      for (int blob : blobs) {
        all.lives[all.root[blob]].Include(ForwardStep(l));
        if (in_backward) all.recomputed[all.root[blob]].Include(BackwardStep(graph, l));
      }
    };
    include(node.bottoms, node.runs_backward && node.traits.backward_needs_bottom_data);
    include(node.tops, node.runs_backward && node.traits.backward_needs_top_data);
  }
  for (const Slices& slices : graph.slices) {  // from the first part to the last one
    for (int blob : slices.whole) {
      all.lives[all.root[blob]].Include(ForwardStep(slices.first));
      all.lives[all.root[blob]].Include(ForwardStep(slices.last - 1));
    }
  }
  JoinForwardAndBackward(graph, &all);
  DropUnused(&all);
  WriteOverBottoms(graph, &all);
  return all;
}

BlobLives LivesOfGradients(const Graph& graph) {
  BlobLives all;
  const std::vector<int> roots = RootsOf(graph, &BlobNode::shares_diff_with);
  all.lives.resize(graph.blobs.size());
  all.kept.resize(graph.blobs.size());
  for (size_t i = 0; i < graph.blobs.size(); ++i) {
    const BlobNode& blob = graph.blobs[i];
    const int root = roots[i];
    all.root.push_back(!blob.has_diff               ? -1
                       : graph.blobs[root].has_diff ? root
                                                    : static_cast<int>(i));
    if (all.root[i] == static_cast<int>(i)) {
      all.separate += AlignedBytes(blob);
    }
    // What no layer reads is there for the user, and where he may set a gradient himself.
    const bool is_last = !graph.layers[blob.producer].runs_backward;
    const bool keeps = graph.keep_blobs || blob.is_output || is_last;
    if (blob.has_diff && keeps) all.kept[all.root[i]] = true;
  }
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    if (!node.runs_backward) continue;
    const int step = BackwardStep(graph, l);
    for (int top : node.tops) {
      if (all.root[top] >= 0) all.lives[all.root[top]].Include(step);
    }
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      if (node.propagate_down[b]) all.lives[all.root[node.bottoms[b]]].Include(step);
    }
  }
  WriteOverTops(graph, &all);
  return all;
}

std::vector<std::vector<int>> FindUnsentGradients(const Graph& graph) {
  std::vector<std::vector<int>> unsent(graph.layers.size());
  std::vector<bool> sent(graph.blobs.size());  // to the value that the blob has above the layer
  for (size_t l = graph.layers.size(); l-- > 0;) {
    const LayerNode& node = graph.layers[l];
    if (!node.runs_backward) continue;
    for (size_t t = 0; t < node.tops.size(); ++t) {
      const int top = node.tops[t];
      const bool starts = node.starts_gradient[t];
      if (!sent[top] && !starts && !graph.blobs[top].is_output) {
        unsent[l].push_back(static_cast<int>(t));
      }
      sent[top] = false;
    }
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      if (node.propagate_down[b]) sent[node.bottoms[b]] = true;
    }
  }
  return unsent;
}

}  // namespace crema
