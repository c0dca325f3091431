// Fusion: a layer that does the work of those behind it in its own passes over memory.
#pragma once

#include <optional>
#include <vector>

#include "crema/dev/layer.h"

namespace crema {

// A layer that alone reads what another one, the host, makes.
struct Consumer {
  const Layer* layer;  // lives as long as the net
  int bottom;          // which of its bottoms the host makes
  bool backward;       // whether gradients flow through it
  // Whether a backward pass can see where what it makes is above 0: no later layer writes over it,
  // or only those that keep the signs (MemoryTraits::keeps_signs). Says nothing where no gradients
  // flow.
  bool is_kept;
  Layout layout;  // in which it was planned

  // If the layer is a ReLU, its slope.
  std::optional<float> ReluSlope() const {
    const std::optional<Pointwise> function = layer->AsPointwise();
    if (!function || function->kind != Pointwise::Kind::kRelu) return std::nullopt;
    return function->slope;
  }
  // The same, but only for a ReLU whose gradient, where one flows, a host can tell from the result
  // alone: the result has the sign of the ReLU's input, and is kept.
  std::optional<float> ReluSlopeOfSigns() const {
    const std::optional<float> slope = ReluSlope();
    const bool has_signs = slope && *slope >= 0 && is_kept;
    return !backward || has_signs ? slope : std::nullopt;
  }
};

// A second base of a Layer that can do the work of layers behind it.
class Fusible {
 public:
  virtual ~Fusible() = default;  // the layer is deleted as a Layer

  // Takes over the work of `next`, which alone reads top 0, and returns true, if the layer can do
  // both at once. It goes by what `next` says of itself (AsPointwise and the like), never by its
  // type or options. Called after Plan, then again for each new consumer until it returns false.
  // After true, top 0 is that of `next`, with the same shape; the other bottoms of `next` come
  // behind the layer's own; traits() and Plan describe the whole. Plan's parameters stay the
  // layer's own.
  virtual bool TryAbsorb(const Consumer& next) = 0;

  // A bottom of an absorbed layer whose memory top 0 may take if nobody needs it later; -1: none.
  virtual int MayWriteOver() const { return -1; }

  // Gives the parameters of an absorbed layer, which live as long as the net. Called whenever
  // parameters are bound.
  virtual void BindConsumer(const Layer& consumer, const BlobList& params,
                            const std::vector<bool>& wants_gradient) = 0;

  // If the layer ends with a ReLU whose backward half, dy * (y > 0 ? 1 : slope), the sole consumer
  // of top 0 could do as well: its slope. Else none.
  virtual std::optional<float> ReluBackwardSlope() const { return std::nullopt; }
  // From now on the gradient of top 0 comes with that done; traits() say so. Called at most once,
  // and only if ReluBackwardSlope gives a slope.
  virtual void LeaveReluBackwardToConsumer() {}
};

// A second base of a Layer that can do, in its own backward pass, the backward half of a ReLU that
// one of its bottoms came through.
class TakesReluBackward {
 public:
  virtual ~TakesReluBackward() = default;  // the layer is deleted as a Layer

  // From now on Backward also multiplies the gradient of bottom `b` by `slope` where the bottom's
  // value is not above 0; traits() say what that needs. False: it cannot, and nothing changes.
  virtual bool TryTakeReluBackward(int b, float slope) = 0;
};

}  // namespace crema
