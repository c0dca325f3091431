// Threshold: y = 1 if x > threshold, else 0. It has no gradient.
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

template <class T>
void ThresholdForward(const Context& ctx, const Blob& x, const Blob& y, float threshold) {
  const T* in = x.data<T>();
  T* out = y.mutable_data<T>();
  const T t = threshold;
  ForEach(ctx, x.count(), [=] HD(int64_t i) { out[i] = static_cast<T>(in[i] > t); });
}

class ThresholdLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.has_backward = false;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const float threshold = config().threshold_param().threshold();
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         ThresholdForward<T>(ctx, *bottom[0], *top[0], threshold));
  }
};

CREMA_REGISTER_LAYER("Threshold", ThresholdLayer);

}  // namespace
}  // namespace crema
