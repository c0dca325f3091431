// ReLU: y = max(x, 0) + negative_slope * min(x, 0).
#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "crema/math/for_each.h"

namespace crema {
namespace {

template <class T>
void ReluForward(const Context& ctx, const Blob& x, const Blob& y, float negative_slope) {
  const T* in = x.data<T>();
  T* out = y.mutable_data<T>();
  const T slope = negative_slope;
  ForEach(ctx, x.count(), [=] HD(int64_t i) {
    const T v = in[i];
    out[i] = v > 0 ? v : v * slope;
  });
}

// Where the layer runs in place `x` holds the output; its sign is that of the input for any
// slope >= 0.
template <class T>
void ReluBackward(const Context& ctx, const Blob& x, const Blob& y, float negative_slope) {
  const T* in = x.data<T>();
  const T* dy = y.diff<T>();
  T* dx = x.mutable_diff<T>();
  const T slope = negative_slope;
  ForEach(ctx, x.count(), [=] HD(int64_t i) { dx[i] = in[i] > 0 ? dy[i] : dy[i] * slope; });
}

class ReluLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.may_run_in_place = true;
    traits.backward_needs_top_data = false;
    traits.accepts_channels_last = true;
    traits.treats_images_apart = true;
    traits.forward_is_reentrant = true;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    LayerPlan plan;
    plan.tops = {bottoms[0]};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const float slope = config().relu_param().negative_slope();
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, ReluForward<T>(ctx, *bottom[0], *top[0], slope));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    const float slope = config().relu_param().negative_slope();
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, ReluBackward<T>(ctx, *bottom[0], *top[0], slope));
  }
};

CREMA_REGISTER_LAYER("ReLU", ReluLayer);

}  // namespace
}  // namespace crema
