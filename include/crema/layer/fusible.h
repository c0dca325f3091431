// Fusion: a layer that does the work of those that follow it in its own passes over memory.
#pragma once

#include <optional>
#include <vector>

#include "crema/layer/layer.h"

namespace crema {

// A layer that alone reads what another one makes.
struct Follower {
  const Layer* layer;  // lives as long as the net
  int bottom;          // which of its bottoms that is
  bool backward;       // whether gradients flow through it
  // Whether, where gradients flow, it can be seen of what it makes at which places it is above 0:
  // no later layer writes over it, or only such as keep the signs (MemoryTraits::keeps_signs).
  bool is_kept;
  Layout layout;  // in which it was planned
};

// A second base of a Layer that can absorb others.
class Fusible {
 public:
  virtual ~Fusible() = default;  // the layer is deleted as a Layer

  // Takes over the work of `next`, which alone reads top 0, where the layer can do both at once and
  // true is returned; asked after Plan, then for the reader of what it makes now, until the answer
  // is no. From then on top 0 is that of `next` and has the shape that top 0 had, the other bottoms
  // of `next` follow the layer's own, and traits() and Plan tell about the whole. Plan's parameters
  // are still the layer's own.
  virtual bool Absorb(const Follower& next) = 0;

  // A bottom that an absorbed layer brought along whose memory top 0 may take over where nobody
  // needs it later; -1: none.
  virtual int MayWriteOver() const { return -1; }

  // The parameters of a layer that was absorbed, which lives as long as the net; called whenever
  // parameters are bound.
  virtual void BindFollower(const Layer& follower, const BlobList& params,
                            const std::vector<bool>& wants_gradient) = 0;

  // The slope of a ReLU at the layer's end whose backward half, dy * (y > 0 ? 1 : slope), the sole
  // reader of top 0 could do as well; none where there is no such ReLU.
  virtual std::optional<float> ReluOfGradient() const { return std::nullopt; }
  // From now on the gradient of top 0 comes with that done; traits() tell so. Called at most once,
  // where ReluOfGradient tells a slope.
  virtual void LeaveReluToReader() {}
};

// A second base of a Layer that can do, on the way, the backward half of a ReLU that its bottom
// came through.
class ReluPasser {
 public:
  virtual ~ReluPasser() = default;  // the layer is deleted as a Layer

  // From now on Backward multiplies the gradient of bottom `b` by `slope` where the bottom's value
  // is not above 0; traits() tell what that needs. False: it cannot.
  virtual bool TakeReluOf(int b, float slope) = 0;
};

}  // namespace crema
