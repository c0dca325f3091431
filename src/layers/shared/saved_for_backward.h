// Memory for what Forward makes beside its tops: what Backward reads of it (masks, means) lies in
// the layer's states if there is a Backward; everything else in scratch memory, so that Forward
// writes nothing that is the layer's.
#pragma once

#include <algorithm>
#include <vector>

#include "crema/dev/layer.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

class SavedForBackward {
 public:
  // The first call of a Plan.
  void Begin(const PlanInput& input) {
    saves_ = input.runs_backward;
    dtype_ = input.dtype;
    pieces_.clear();
    scratch_bytes_ = 0;
  }
  // Asks for the next piece, number 0, 1, ...: one that Backward reads, or one that only Forward
  // works with.
  void Save(const TensorSpec& spec, LayerPlan* plan) {
    if (!saves_) return Use(spec, plan);
    pieces_.push_back({static_cast<int>(plan->state.size()), 0});
    plan->state.push_back(spec);
  }
  void Use(const TensorSpec& spec, LayerPlan* plan) {
    constexpr size_t kAlignment = 64;
    const DType dtype = spec.dtype.value_or(dtype_);
    const size_t bytes = static_cast<size_t>(spec.shape.count()) * SizeOf(dtype);
    pieces_.push_back({-1, scratch_bytes_});
    scratch_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    plan->scratch_bytes = std::max(plan->scratch_bytes, scratch_bytes_);
  }

  // Whether the layer was planned with a backward pass.
  bool saves() const { return saves_; }

  // The pieces of one Forward, by number. The scratch memory among them is there until the layer
  // asks for other.
  class Pieces {
   public:
    Pieces(const SavedForBackward& owner, const std::vector<Tensor>& states, char* scratch)
        : owner_(owner), states_(states), scratch_(scratch) {}
    template <class T>
    T* at(int piece) const {
      const Piece& p = owner_.pieces_[piece];
      return p.state >= 0 ? states_[p.state].template mutable_data<T>()
                          : reinterpret_cast<T*>(scratch_ + p.offset);
    }

   private:
    const SavedForBackward& owner_;
    const std::vector<Tensor>& states_;
    char* scratch_;
  };
  // In Forward; `states` are the layer's.
  Pieces Open(Context& ctx, const std::vector<Tensor>& states) const {
    return {*this, states, static_cast<char*>(ctx.Scratch(scratch_bytes_))};
  }
  // In Backward, which has scratch memory of its own: the pieces that were saved, no others.
  Pieces Saved(const std::vector<Tensor>& states) const { return {*this, states, nullptr}; }

 private:
  struct Piece {
    int state;  // -1: in scratch memory
    size_t offset;
  };
  bool saves_ = true;
  DType dtype_ = DType::kFloat32;
  std::vector<Piece> pieces_;
  size_t scratch_bytes_ = 0;
};

}  // namespace CREMA_TARGET
}  // namespace crema
