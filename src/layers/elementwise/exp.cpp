// Exp: y = base ^ (shift + scale * x); the base is e if it is -1.
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct Exp {
  T factor, exponent;  // y = factor * exp(exponent * x)
  explicit Exp(const proto::LayerParameter& config) {
    const proto::ExpParameter& p = config.exp_param();
    if (p.base() != -1 && !(p.base() > 0)) {
      Fail(InLayer(config.name(), "Exp"), ": base is ", p.base(),
           ", but must be above 0, or -1 for e");
    }
    const double log_base = p.base() == -1 ? 1 : std::log(static_cast<double>(p.base()));
    factor = static_cast<T>(std::exp(log_base * p.shift()));
    exponent = static_cast<T>(log_base * p.scale());
  }

  HD T Value(T x) const { return factor * std::exp(exponent * x); }
  HD T Slope(T, T y) const { return exponent * y; }
  bool SlopeUsesInput() const { return false; }
  bool SlopeUsesOutput() const { return true; }
};

using ExpLayer = UnaryLayer<Exp>;
CREMA_REGISTER_LAYER("Exp", ExpLayer);

}  // namespace
}  // namespace crema
