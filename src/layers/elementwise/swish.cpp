// Swish (Ramachandran, Zoph, Le: "Searching for activation functions", 2017):
// y = x * sigmoid(beta * x).
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct Swish {
  T beta;
  explicit Swish(const proto::LayerParameter& config)
      : beta(static_cast<T>(config.swish_param().beta())) {}

  HD T Gate(T x) const { return T(0.5) * std::tanh(T(0.5) * beta * x) + T(0.5); }
  HD T Value(T x) const { return x * Gate(x); }
  HD T Slope(T x, T) const {
    const T gate = Gate(x), y = x * gate;
    return beta * y + gate * (1 - beta * y);
  }
  bool SlopeUsesInput() const { return true; }
  bool SlopeUsesOutput() const { return false; }
};

using SwishLayer = UnaryLayer<Swish>;
CREMA_REGISTER_LAYER("Swish", SwishLayer);

}  // namespace
}  // namespace crema
