// TanH: y = tanh(x).
#include <cmath>

#include "layers/shared/elementwise/unary.h"

namespace crema {
namespace {

template <class T>
struct TanH {
  explicit TanH(const proto::LayerParameter&) {}

  HD T Value(T x) const { return std::tanh(x); }
  HD T Slope(T, T y) const { return 1 - y * y; }
  bool SlopeUsesInput() const { return false; }
  bool SlopeUsesOutput() const { return true; }
  Pointwise Description() const { return Pointwise::Of(Pointwise::Kind::kTanh); }
};

using TanHLayer = UnaryLayer<TanH>;
CREMA_REGISTER_LAYER("TanH", TanHLayer);

}  // namespace
}  // namespace crema
