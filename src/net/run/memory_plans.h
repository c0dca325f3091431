// Memory plans of the shapes that a net had before.
#pragma once

#include <cstddef>
#include <list>
#include <vector>

#include "crema/dev/graph.h"
#include "net/passes.h"

namespace crema {

// PlanMemory, once for each set of shapes. All else in the graph that memory depends on, such as
// the layers' states, must follow from the shapes of the blobs and the slices. If it is full, it
// forgets the plan that was asked for the longest time ago. For one thread at a time.
class MemoryPlans {
 public:
  static constexpr size_t kMostPlans = 16;
  static constexpr size_t kMostBytes = size_t{64} << 20;  // of the host's memory, about

  explicit MemoryPlans(size_t most_plans = kMostPlans, size_t most_bytes = kMostBytes)
      : most_plans_(most_plans), most_bytes_(most_bytes) {}

  // The plan for the graph as it is now. Throws Error as PlanMemory does.
  MemoryPlan For(const Graph& graph);

  // How many plans had to be made so far, and what those take that are kept.
  size_t made() const { return made_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Key {
    std::vector<Shape> shapes;                // by blob
    std::vector<std::vector<size_t>> slices;  // for each: first and last layer, count, lanes
    bool operator==(const Key& other) const {
      return shapes == other.shapes && slices == other.slices;
    }
  };
  struct Entry {
    Key key;
    MemoryPlan plan;
    size_t bytes;
  };
  static Key KeyOf(const Graph& graph);
  void Keep(Key key, const MemoryPlan& plan);

  size_t most_plans_, most_bytes_;
  std::list<Entry> entries_;  // the last used one first
  size_t bytes_ = 0, made_ = 0;
};

}  // namespace crema
