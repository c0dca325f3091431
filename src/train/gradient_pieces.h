// The flat gradients as pieces that are complete one after the other in a backward pass.
#pragma once

#include <cstddef>
#include <vector>

#include "crema/gradient_combiner.h"
#include "crema/net.h"

namespace crema {

struct GradientPiece {
  Tensor values;  // a view of Net::flat_gradients()
  int layer;      // once it has run backward, nothing is added any more
};

// All gradients that a backward pass computes, in the order in which they are complete. Neighbours
// are one piece until it has `least_bytes`. Frozen parameters and statistics are left out.
std::vector<GradientPiece> GradientPiecesOf(const Net& net, size_t least_bytes);

// Tells a combiner of each piece during a backward pass, and then of the end. For one thread.
class PieceObserver : public PassObserver {
 public:
  // Both live longer.
  PieceObserver(Net* net, GradientCombiner* combiner);

  void AfterBackward(int layer) override;
  void EndBackward() override;

 private:
  const Context& ctx_;
  GradientCombiner& combiner_;
  std::vector<GradientPiece> pieces_;
};

}  // namespace crema
