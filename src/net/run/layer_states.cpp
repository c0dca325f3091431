// The layout of the states of layers in one block, and moving to a larger one.
#include "net/run/layer_states.h"

#include <algorithm>
#include <utility>

#include "net/passes.h"

namespace crema {
namespace {

DType TypeOf(const TensorSpec& state, const Graph& graph) {
  return state.dtype.value_or(graph.dtype);
}

size_t BytesOf(const TensorSpec& state, const Graph& graph) {
  return static_cast<size_t>(AlignedBytes(state.shape, TypeOf(state, graph)));
}

}  // namespace

LayerStates::LayerStates(const Graph& graph, std::shared_ptr<Device> device)
    : graph_(&graph), device_(std::move(device)) {}

bool LayerStates::Fit() const {
  if (states_.size() != graph_->layers.size()) return false;
  for (size_t l = 0; l < states_.size(); ++l) {
    const std::vector<TensorSpec>& wanted = graph_->layers[l].plan.state;
    if (states_[l].size() != wanted.size()) return false;
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (states_[l][i].tensor.dtype() != TypeOf(wanted[i], *graph_)) return false;
      if (states_[l][i].capacity < BytesOf(wanted[i], *graph_)) return false;
    }
  }
  return true;
}

// Shapes that come back shall find their memory again, so none becomes smaller.
size_t LayerStates::LayOut(const LayerStates& before) {
  size_t bytes = 0;
  states_.resize(graph_->layers.size());
  for (size_t l = 0; l < states_.size(); ++l) {
    for (const TensorSpec& wanted : graph_->layers[l].plan.state) {
      const size_t i = states_[l].size();
      const bool was_there = l < before.states_.size() && i < before.states_[l].size();
      const size_t capacity =
          std::max(BytesOf(wanted, *graph_), was_there ? before.states_[l][i].capacity : 0);
      states_[l].push_back({{}, bytes, capacity});
      bytes += capacity;
    }
  }
  return bytes;
}

// One block, which may get large pages.
LayerStates LayerStates::Resized() const {
  LayerStates next(*graph_, device_);
  const size_t bytes = next.LayOut(*this);
  const auto block = std::make_shared<Buffer>(device_, bytes);
  device_->Zero(block->memory(), bytes);
  for (size_t l = 0; l < next.states_.size(); ++l) {
    for (size_t i = 0; i < next.states_[l].size(); ++i) {
      const TensorSpec& wanted = graph_->layers[l].plan.state[i];
      State& state = next.states_[l][i];
      state.tensor = Tensor(block, state.offset, TypeOf(wanted, *graph_), wanted.shape);
      if (l >= states_.size() || i >= states_[l].size()) continue;
      const Tensor &before = states_[l][i].tensor, &after = state.tensor;
      const bool same = before.dtype() == after.dtype() && before.shape() == after.shape();
      if (same) device_->Copy(after.raw(), before.raw(), after.bytes());
    }
  }
  return next;
}

std::vector<Tensor> LayerStates::Of(size_t layer) {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < states_[layer].size(); ++i) {
    State& state = states_[layer][i];
    const Shape& wanted = graph_->layers[layer].plan.state[i].shape;
    if (state.tensor.shape() != wanted) {
      state.tensor = Tensor(state.tensor.buffer(), state.offset, state.tensor.dtype(), wanted);
      device_->Zero(state.tensor.raw(), state.tensor.bytes());
    }
    tensors.push_back(state.tensor);
  }
  return tensors;
}

size_t LayerStates::bytes() const {
  size_t bytes = 0;
  for (const std::vector<State>& states : states_) {
    for (const State& state : states) bytes += state.capacity;
  }
  return bytes;
}

}  // namespace crema
