// Power: y = (shift + scale * x) ^ power.
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct Power {
  T power, scale, shift;
  explicit Power(const proto::LayerParameter& config) {
    const proto::PowerParameter& p = config.power_param();
    power = static_cast<T>(p.power());
    scale = static_cast<T>(p.scale());
    shift = static_cast<T>(p.shift());
  }

  HD T Value(T x) const {
    const T base = shift + scale * x;
    return power == 1 ? base : power == 2 ? base * base : std::pow(base, power);
  }
  HD T Slope(T x, T) const {
    if (power * scale == 0) return 0;  // constant, also where the formula below divides by 0
    const T base = shift + scale * x;
    const T less = power == 1 ? T(1) : power == 2 ? base : std::pow(base, power - 1);
    return power * scale * less;
  }
  bool SlopeUsesInput() const { return power != 1 && power * scale != 0; }
  bool SlopeUsesOutput() const { return false; }
  Pointwise Description() const {
    return Pointwise::Power(static_cast<float>(power), static_cast<float>(scale),
                            static_cast<float>(shift));
  }
};

using PowerLayer = UnaryLayer<Power>;
CREMA_REGISTER_LAYER("Power", PowerLayer);

}  // namespace
}  // namespace crema
