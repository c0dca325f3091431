// Shrink: moves values towards 0 by lambda. A layer with options.
#include "crema/dev/for_each.h"
#include "crema/dev/plugin.h"
#include "crema/dev/registry.h"
#include "example.pb.h"

// Once in a plug-in.
CREMA_PLUGIN("example");

namespace example {
namespace {

using namespace crema;

template <class T>
void ShrinkForward(const Context& ctx, const Blob& x, const Blob& y, float lambda) {
  const T* in = x.data<T>();
  T* out = y.mutable_data<T>();
  const T by = lambda;
  ForEach(ctx, x.count(), [=] HD(int64_t i) {
    const T v = in[i];
    out[i] = v > by ? v - by : v < -by ? v + by : T(0);
  });
}

// Needs y only, so that the layer may run in place.
template <class T>
void ShrinkBackward(const Context& ctx, const Blob& x, const Blob& y) {
  const T* out = y.data<T>();
  const T* dy = y.diff<T>();
  T* dx = x.mutable_diff<T>();
  ForEach(ctx, x.count(), [=] HD(int64_t i) { dx[i] = out[i] == 0 ? T(0) : dy[i]; });
}

class ShrinkLayer : public Layer {
 public:
  ShrinkLayer(const proto::LayerParameter& config, Phase phase)
      : Layer(config, phase), lambda_(config.GetExtension(shrink_param).lambda()) {
    if (!(lambda_ >= 0)) Fail("lambda is ", lambda_, ", but must not be negative");
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = false;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         ShrinkForward<T>(ctx, *bottom[0], *top[0], lambda_));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, ShrinkBackward<T>(ctx, *bottom[0], *top[0]));
  }

 private:
  const float lambda_;
};

CREMA_REGISTER_LAYER("Shrink", ShrinkLayer);

}  // namespace
}  // namespace example
