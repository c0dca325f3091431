// Who wants to see how a net's pass goes on: timers, logs, and who may give a pass up.
#pragma once

namespace crema {

// Is told of every layer of a pass by its number in Graph::layers, also of those that do nothing in
// this pass. What an observer throws ends the pass: Net::Forward or Net::Backward throws it. The
// net can then begin another pass.
//
// The thread that runs a layer tells of it: the one that called Forward or Backward, or for layers
// that take a part of the batch at a time (Graph::slices) the one that runs the part. Then a layer
// is told of once for each part, those that are done by another layer not at all, and several
// threads tell at once; each has a lane of its own, from 0 on, and lane 0 is the caller's.
// Elsewhere the lane is 0.
class PassObserver {
 public:
  virtual ~PassObserver() = default;  // the net keeps none from pass to pass

  // The forward pass has begun; no layer has run yet.
  virtual void BeginForward() {}
  // The layer's work for the forward pass comes next.
  virtual void BeforeForward(int /*layer*/, int /*lane*/) {}
  // It is done, or on a GPU queued.
  virtual void AfterForward(int /*layer*/, int /*lane*/) {}
  // The layer's work for the backward pass comes next.
  virtual void BeforeBackward(int /*layer*/) {}
  // It is done, or on a GPU queued.
  virtual void AfterBackward(int /*layer*/) {}
  // All layers have run backward.
  virtual void EndBackward() {}
};

}  // namespace crema
