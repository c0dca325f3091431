// Where the sums of parameters' gradients begin.
#pragma once

#include <vector>

#include "crema/context.h"
#include "crema/dev/graph.h"
#include "crema/tensor.h"
#include "net/run/net_parameters.h"

namespace crema {

// Backward passes add to the gradients until a new sum begins. Zeros that are only written to be
// added to cost a pass over memory, and another one for reading them again; so the first layer that
// computes a gradient may write it instead, if it can (LayerTraits::overwrites_gradients), and
// only the other gradients are cleared. For one thread at a time.
class GradientSums {
 public:
  // The graph is done with all passes, and the gradients are zeros. Both must outlive this.
  GradientSums(const Graph& graph, const NetParameters& parameters);

  // The next backward pass begins new sums: clears those gradients that are added to. Those that a
  // layer will write hold what they held, or if `poison`, NaNs.
  void Begin(const Context& ctx, bool poison);
  // Before the layer's Backward: tells it for each of its parameters whether it writes the gradient
  // or adds to it.
  void SetOverwriteGradients(const LayerNode& node);

 private:
  void FindWritten();
  void FindCleared();

  const Graph& graph_;
  const NetParameters& parameters_;
  // By parameter: whether the first layer of a sum writes its gradient, and whether the next one
  // that computes it is that first layer.
  std::vector<bool> may_write_, writes_next_;
  std::vector<Tensor> cleared_;  // the other gradients, as few tensors as can be
};

}  // namespace crema
