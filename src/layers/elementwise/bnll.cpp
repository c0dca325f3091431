// BNLL: y = log(1 + exp(x)), the binomial normal log likelihood, also called softplus.
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct Bnll {
  explicit Bnll(const proto::LayerParameter&) {}

  HD T Value(T x) const {
    // Each form is exact where the other one overflows.
    return x > 0 ? x + std::log(1 + std::exp(-x)) : std::log(1 + std::exp(x));
  }
  HD T Slope(T x, T) const { return 1 / (1 + std::exp(-x)); }
  bool SlopeUsesInput() const { return true; }
  bool SlopeUsesOutput() const { return false; }
};

using BnllLayer = UnaryLayer<Bnll>;
CREMA_REGISTER_LAYER("BNLL", BnllLayer);

}  // namespace
}  // namespace crema
