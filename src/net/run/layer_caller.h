// The calls of single layers.
#pragma once

#include <cstdint>

#include "crema/dev/graph.h"
#include "net/run/planned_memory.h"

namespace crema {

// Calls a layer with the scratch memory that is planned for it, and throws what it throws as an
// Error that names it. Several threads may call layers at once, each with a Context of its own.
class LayerCaller {
 public:
  // Both must outlive this.
  LayerCaller(const Graph& graph, const PlannedMemory& memory) : graph_(graph), memory_(memory) {}

  // Layer::Forward. The scratch memory counts from byte `base` of the arena on: that of a lane, or
  // 0.
  void Forward(int layer, const BlobList& bottoms, const BlobList& tops, int64_t base,
               Context* ctx) const;
  // Layer::Recompute, for a backward pass.
  void Recompute(int layer, const BlobList& bottoms, const BlobList& tops, Context* ctx) const;
  // Layer::Backward.
  void Backward(int layer, const BlobList& bottoms, const BlobList& tops, Context* ctx) const;

 private:
  template <class Call>
  void WithScratch(int layer, const Place& scratch, int64_t base, Context* ctx,
                   const Call& call) const;

  const Graph& graph_;
  const PlannedMemory& memory_;
};

}  // namespace crema
