// Plans of layers for shapes that come back: detection, sequences, images of many sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "crema/dev/graph.h"

namespace crema {

// Keeps what layers have planned (Layer::SavePlan), by what they were told: their PlanInput and the
// number of threads. Layers that save nothing, because their Plan takes no time, are not in it. If
// it is full, the plan that was used the longest time ago is forgotten. For one thread at a time.
class PlanCache {
 public:
  // For each layer; one whose net runs in slices has two plans for each shape of the net.
  static constexpr size_t kMostPlans = 32;
  // Of all layers, by their own estimates (SavedPlan::bytes).
  static constexpr size_t kMostBytes = size_t{256} << 20;

  explicit PlanCache(size_t most_plans = kMostPlans, size_t most_bytes = kMostBytes)
      : most_plans_(most_plans), most_bytes_(most_bytes) {}

  // Keeps the plan that the layer with this number has now, if it can be saved and is not there.
  void Keep(size_t layer, const LayerNode& node);
  // Gives the layer its plan for `input` and as many threads as there are now. Returns false, and
  // changes nothing, if there is none.
  bool Restore(size_t layer, const PlanInput& input, LayerNode* node);

  // What it holds now.
  size_t plans() const;
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    PlanInput input;
    int threads;
    LayerPlan plan;
    SavedPlan saved;
    uint64_t used;  // when, in uses of this cache
  };
  using Entries = std::list<Entry>;  // the last used one first

  // The entry, which is now the first one; null: there is none.
  Entry* Find(size_t layer, const PlanInput& input, int threads);
  void ForgetLast(Entries* entries);
  void ForgetOldest();

  size_t most_plans_, most_bytes_;
  std::vector<Entries> layers_;
  size_t bytes_ = 0;
  uint64_t uses_ = 0;
};

}  // namespace crema
