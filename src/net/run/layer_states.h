// What layers keep from Forward to Backward, or from pass to pass: masks, saved means, histories.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "crema/dev/graph.h"
#include "crema/tensor.h"

namespace crema {

// The tensors that the plans of a graph's layers ask for (LayerPlan::state), in one block of
// memory. For one thread at a time.
class LayerStates {
 public:
  // No memory yet. `graph` must outlive this.
  LayerStates(const Graph& graph, std::shared_ptr<Device> device);

  // Whether the memory is large enough for what the layers' plans ask for now.
  bool Fit() const;
  // The same states in new memory that is, and that has at least as much for each as the old one:
  // those whose shape stays keep their values, others are zeros. Throws Error if there is no memory
  // for it.
  LayerStates Resized() const;

  // The tensors of one layer, in the order of its plan: as they were if their shapes are the same,
  // zeros otherwise. Only if Fit().
  std::vector<Tensor> Of(size_t layer);

  // What all take, on the device.
  size_t bytes() const;

 private:
  struct State {
    Tensor tensor;
    size_t offset, capacity;  // in the block, in bytes
  };

  // Lays out new states, without memory. Returns the bytes of all.
  size_t LayOut(const LayerStates& before);

  const Graph* graph_;
  std::shared_ptr<Device> device_;
  std::vector<std::vector<State>> states_;  // by layer
};

}  // namespace crema
