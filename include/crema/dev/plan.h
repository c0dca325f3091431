// What a layer is told before it plans, and what it answers.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "crema/dev/filler.h"
#include "crema/dev/tensor_type.h"
#include "crema/device.h"

namespace crema {

// What a net is for, as its state says.
enum class Phase { kTrain, kTest };

// All that a layer may have to know for its plan. A net plans a layer first with what it knows
// then: that it may run backward if the net does, and for all bottoms and parameters. When it knows
// better it plans it again.
struct PlanInput {
  std::vector<TensorType> bottoms;
  DType dtype = DType::kFloat32;  // the net's, which its parameters have
  // How tops of three or more axes will be stored, and such bottoms are.
  Layout layout = Layout::kPlain;
  Phase phase = Phase::kTrain;
  DeviceKind device = DeviceKind::kCpu;
  bool in_place = false;      // top 0 is the same blob as bottom 0, and is written over it
  bool runs_backward = true;  // false: Backward is never called
  // Whether the gradient of each bottom (parameter) is wanted; empty: of all, or it is not known
  // yet how many there are. All false where `runs_backward` is.
  std::vector<bool> propagate_down, wants_gradient;

  // For plain bottoms of the number type `dtype`, and a layer that runs backward for all of them.
  static PlanInput Of(const std::vector<Shape>& bottoms, DType dtype);

  // Of bottom `b`, which must exist.
  const Shape& shape(size_t b) const { return bottoms[b].shape; }
  // Of all bottoms.
  std::vector<Shape> Shapes() const;

  // Whether Backward will have to give the gradient of bottom `b`.
  bool Propagates(size_t b) const { return Wants(propagate_down, b); }
  // Whether it will have to give that of parameter `p`.
  bool WantsGradient(size_t p) const { return Wants(wants_gradient, p); }

  // Whether a layer is told the same: an empty list is one that says true.
  bool operator==(const PlanInput& other) const;
  bool operator!=(const PlanInput& other) const { return !(*this == other); }  // see ==

 private:
  // The answer of either list; see there for what it leaves out.
  bool Wants(const std::vector<bool>& list, size_t i) const {
    return runs_backward && (i >= list.size() || list[i]);
  }
};

// A tensor that a layer asks for: in the net's number type, unless it says another one.
struct TensorSpec {
  Shape shape;
  std::optional<DType> dtype;  // none: the net's

  TensorSpec() = default;  // a scalar
  // NOLINTNEXTLINE(google-explicit-constructor): most tops are told by their shape alone.
  TensorSpec(Shape its_shape, std::optional<DType> its_dtype = std::nullopt)
      : shape(std::move(its_shape)), dtype(its_dtype) {}

  // Whether they ask for the same in one net.
  bool operator==(const TensorSpec& other) const {
    return shape == other.shape && dtype == other.dtype;
  }
};

// A parameter (weights, bias, statistics) of a layer, in the net's number type.
struct ParamDecl {
  Shape shape;
  FillerSpec filler;
  bool learned = true;  // false: statistics that the layer itself keeps; the solver leaves them
};

// What a layer answers.
struct LayerPlan {
  std::vector<TensorSpec> tops;
  std::vector<ParamDecl> params;
  // Tensors that live from Forward to Backward (masks, saved means) or longer, kept by the net: one
  // that keeps its type from plan to plan keeps its values, a new one begins as zeros.
  std::vector<TensorSpec> state;
  // The most that one Forward, Recompute or Backward asks of Context::Scratch.
  size_t scratch_bytes = 0;
  // What the layer keeps by itself in the host's memory, in bytes, where that may be much: lists,
  // data of files. It counts where the net runs on the CPU.
  size_t host_bytes = 0;
};

// What Layer::Plan has made inside a layer, for going back to it later.
struct SavedPlan {
  // Makes the layer what it was; for the thread that plans, while the layer lives. Null: nothing
  // was saved.
  std::function<void()> restore;
  size_t bytes = 0;  // about what this keeps in the host's memory, compiled code included
};

}  // namespace crema
