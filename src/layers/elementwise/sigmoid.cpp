// Sigmoid: y = 1 / (1 + exp(-x)).
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct Sigmoid {
  explicit Sigmoid(const proto::LayerParameter&) {}

  HD T Value(T x) const {
    return T(0.5) * std::tanh(T(0.5) * x) + T(0.5);  // never overflows
  }
  HD T Slope(T, T y) const { return y * (1 - y); }
  bool SlopeUsesInput() const { return false; }
  bool SlopeUsesOutput() const { return true; }
  Pointwise Description() const { return Pointwise::Of(Pointwise::Kind::kSigmoid); }
};

using SigmoidLayer = UnaryLayer<Sigmoid>;
CREMA_REGISTER_LAYER("Sigmoid", SigmoidLayer);

}  // namespace
}  // namespace crema
