// ELU (Clevert, Unterthiner, Hochreiter: "Fast and accurate deep network learning by exponential
// linear units", 2016): y = x for x > 0, alpha * (exp(x) - 1) elsewhere.
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct Elu {
  T alpha;
  explicit Elu(const proto::LayerParameter& config)
      : alpha(static_cast<T>(config.elu_param().alpha())) {}

  HD T Value(T x) const { return x > 0 ? x : alpha * (std::exp(x) - 1); }
  HD T Slope(T x, T y) const {
    const bool linear = alpha < 0 ? x > 0 : y > 0;  // the sign of y is that of x for alpha >= 0
    return linear ? T(1) : alpha + y;
  }
  bool SlopeUsesInput() const { return alpha < 0; }
  bool SlopeUsesOutput() const { return true; }
  Pointwise Description() const { return Pointwise::Elu(static_cast<float>(alpha)); }
};

using EluLayer = UnaryLayer<Elu>;
CREMA_REGISTER_LAYER("ELU", EluLayer);

}  // namespace
}  // namespace crema
