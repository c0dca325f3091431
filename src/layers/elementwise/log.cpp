// Log: y = the logarithm to `base` of shift + scale * x; the base is e if it is -1.
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct Log {
  T factor, scale, shift;  // y = factor * log(shift + scale * x)
  explicit Log(const proto::LayerParameter& config) {
    const proto::LogParameter& p = config.log_param();
    if (p.base() != -1 && (!(p.base() > 0) || p.base() == 1)) {
      Fail(InLayer(config.name(), "Log"), ": base is ", p.base(),
           ", but must be above 0 and not 1, or -1 for e");
    }
    factor = static_cast<T>(p.base() == -1 ? 1 : 1 / std::log(static_cast<double>(p.base())));
    scale = static_cast<T>(p.scale());
    shift = static_cast<T>(p.shift());
  }

  HD T Value(T x) const { return factor * std::log(shift + scale * x); }
  HD T Slope(T x, T) const { return factor * scale / (shift + scale * x); }
  bool SlopeUsesInput() const { return true; }
  bool SlopeUsesOutput() const { return false; }
};

using LogLayer = UnaryLayer<Log>;
CREMA_REGISTER_LAYER("Log", LogLayer);

}  // namespace
}  // namespace crema
