// What Forward notes for Backward (masks, means) in a layer's first state. Where nobody will read
// it, it is written to scratch memory: Forward is then reentrant (LayerTraits).
#pragma once

#include <algorithm>

#include "crema/layer/layer.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// `state`: that of the layer, as it asked for it. Asks for scratch memory for the whole of it.
template <class T>
T* Notes(Context& ctx, Phase phase, const Blob& top, const Tensor& state) {
  if (phase == Phase::kTrain || top.has_diff()) return state.mutable_data<T>();
  return static_cast<T*>(ctx.Scratch(state.bytes()));
}

// Plans scratch memory for them. `dtype` is the net's.
inline void PlanNotes(Phase phase, DType dtype, LayerPlan* plan) {
  if (phase == Phase::kTrain) return;
  const LayerPlan::State& notes = plan->state.at(0);
  const auto bytes = static_cast<size_t>(notes.shape.count()) * SizeOf(notes.dtype.value_or(dtype));
  plan->scratch_bytes = std::max(plan->scratch_bytes, bytes);
}

}  // namespace CREMA_TARGET
}  // namespace crema
