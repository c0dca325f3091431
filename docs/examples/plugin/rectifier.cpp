// Rectifier: y = max(x, 0). It says what it computes, so that the layers that can do a ReLU on the
// way (convolutions by oneDNN, BatchNorm, Eltwise) do its work, too.
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"

namespace example {
namespace {

using namespace crema;

template <class T>
void RectifierForward(const Context& ctx, const Blob& x, const Blob& y) {
  const T* in = x.data<T>();
  T* out = y.mutable_data<T>();
  ForEach(ctx, x.count(), [=] HD(int64_t i) { out[i] = in[i] > 0 ? in[i] : T(0); });
}

template <class T>
void RectifierBackward(const Context& ctx, const Blob& x, const Blob& y) {
  const T* out = y.data<T>();
  const T* dy = y.diff<T>();
  T* dx = x.mutable_diff<T>();
  ForEach(ctx, x.count(), [=] HD(int64_t i) { dx[i] = out[i] > 0 ? dy[i] : T(0); });
}

class RectifierLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_only_signs = true;
    traits.keeps_signs = true;
    return traits;
  }

  std::optional<Pointwise> AsPointwise() const override { return Pointwise::Relu(0); }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, RectifierForward<T>(ctx, *bottom[0], *top[0]));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, RectifierBackward<T>(ctx, *bottom[0], *top[0]));
  }
};

CREMA_REGISTER_LAYER("Rectifier", RectifierLayer);

}  // namespace
}  // namespace example
