// AbsVal: y = |x|. At 0 the gradient is 0.
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct AbsVal {
  explicit AbsVal(const proto::LayerParameter&) {}

  HD T Value(T x) const { return x < 0 ? -x : x; }
  HD T Slope(T x, T) const { return static_cast<T>((x > 0) - (x < 0)); }
  bool SlopeUsesInput() const { return true; }
  bool SlopeUsesOutput() const { return false; }
};

using AbsValLayer = UnaryLayer<AbsVal>;
CREMA_REGISTER_LAYER("AbsVal", AbsValLayer);

}  // namespace
}  // namespace crema
