// A memory plan made real: where a net's blobs and the scratch memory of its layers lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "crema/blob.h"
#include "crema/dev/graph.h"
#include "net/passes.h"
#include "net/run/memory_plans.h"

namespace crema {

// Two buffers and a plan for both. One is the net's own and keeps its values from pass to pass; the
// other one is an arena's, and what lies there may be overwritten by others between passes. All it
// hands out are views of the two. Reading it is safe from any number of threads.
class PlannedMemory {
 public:
  // Views have the shapes and layouts that `graph` has when they are made. It must outlive this.
  explicit PlannedMemory(const Graph& graph) : graph_(graph) {}

  // A plan and the memory for what keeps its values, before anything uses them.
  struct Next {
    MemoryPlan plan;
    std::shared_ptr<Buffer> kept;
  };
  // Plans for the graph as it is now, unless it had these shapes before. The memory that there is
  // stays in use if it is large enough. Throws Error if there is not enough on `device`; nothing
  // has changed then.
  Next Prepare(const std::shared_ptr<Device>& device);
  // Uses them from now on. What keeps its values is zeros.
  void Adopt(Next next);
  // From now on the arena's part of the plan is there; null: it is away. It has at least
  // plan().memory.arena bytes.
  void SetArena(std::shared_ptr<Buffer> arena) { arena_ = std::move(arena); }

  const MemoryPlan& plan() const { return plan_; }
  // How many plans were made so far.
  size_t plans_made() const { return plans_.made(); }
  // The two buffers; null before the first of Adopt and SetArena.
  const std::shared_ptr<Buffer>& kept() const { return kept_; }
  const std::shared_ptr<Buffer>& arena() const { return arena_; }

  // The blob's values and its gradient; empty where the plan has no memory for them, or it is in an
  // arena that is away. Of what lies between layers of slices, those of lane 0.
  Blob WholeBlob(int blob) const;
  // The values that lie between layers of slices, in this lane; empty as above.
  Blob LaneBlob(int blob, size_t slices, size_t lane) const;
  // The values of one part of the batch, for a blob of all images; empty as above.
  Blob PartOfBlob(int blob, size_t slices, int part) const;

  // Where the memory of a lane begins, in bytes from the start of the arena.
  int64_t LaneBase(size_t slices, size_t lane) const;
  // The address on the device of a place that counts from byte `base` of the arena on; only while
  // the arena is there.
  void* AddressInArena(const Place& place, int64_t base) const;

 private:
  Tensor View(const Place& place, const BlobNode& blob) const;

  const Graph& graph_;
  MemoryPlans plans_;
  MemoryPlan plan_;
  std::shared_ptr<Buffer> kept_, arena_;
};

}  // namespace crema
