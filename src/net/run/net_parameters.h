// The parameters of a net: weights, biases and statistics, and their gradients.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "crema/blob.h"
#include "crema/context.h"
#include "crema/dev/graph.h"

namespace crema {

// Owns the memory of all parameters that the net does not borrow: one flat buffer for the values
// and one for the gradients, in the net's order, each parameter at a multiple of kParamBlock
// elements (tensor/param_block.h). Parameters of one shared name are views of the same
// memory. For one thread at a time.
class NetParameters {
 public:
  // All are zeros. Layers of the names of layers of `lender` borrow its parameters, without a
  // gradient; null: none does. `graph` and `lender` must outlive this. Throws Error if the two nets
  // differ in dtype or in the parameters of such a layer, or if memory runs out.
  NetParameters(const Graph& graph, const Context& ctx, const NetParameters* lender);

  // Gives those that are not borrowed their first values, by their fillers; `seed` is that of the
  // net.
  void Fill(uint64_t seed) const;

  // By the index in the graph's list; in range. It stays at its address.
  Blob& blob(int i) const { return *blobs_[i]; }
  int count() const { return static_cast<int>(blobs_.size()); }
  // Those of one layer, in its order, and for which of them it computes gradients.
  BlobList Of(const LayerNode& layer) const;
  std::vector<bool> WantGradients(const LayerNode& layer) const;

  // The flat buffers, one axis each. There are no gradients, 0 elements, if none is ever computed.
  const Tensor& values() const { return values_; }
  const Tensor& gradients() const { return gradients_; }

  const Graph& graph() const { return graph_; }

 private:
  void Allocate(int64_t bytes, bool with_gradients, const Context& ctx);
  Blob Lent(const Blob& theirs, int i) const;
  Blob Shared(int i) const;
  Blob Own(int i, int64_t offset) const;

  const Graph& graph_;
  Tensor values_, gradients_;
  bool has_gradients_ = false;
  std::vector<std::unique_ptr<Blob>> blobs_;
  std::vector<bool> is_borrowed_;
};

}  // namespace crema
