// Clip: y = x, but at least `min` and at most `max`. No gradient passes outside of the two.
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct Clip {
  T min, max;
  explicit Clip(const proto::LayerParameter& config) {
    const proto::ClipParameter& clip = config.clip_param();
    if (!(clip.min() <= clip.max())) {
      Fail(InLayer(config.name(), "Clip"), ": min is ", clip.min(), " and max is ", clip.max(),
           "; min must not be above max");
    }
    min = static_cast<T>(clip.min());
    max = static_cast<T>(clip.max());
  }

  HD T Value(T x) const { return x < min ? min : x > max ? max : x; }
  HD T Slope(T x, T) const { return static_cast<T>(x >= min && x <= max); }
  bool SlopeUsesInput() const { return true; }
  bool SlopeUsesOutput() const { return false; }
  Pointwise Description() const {
    return Pointwise::Clip(static_cast<float>(min), static_cast<float>(max));
  }
};

using ClipLayer = UnaryLayer<Clip>;
CREMA_REGISTER_LAYER("Clip", ClipLayer);

}  // namespace
}  // namespace crema
