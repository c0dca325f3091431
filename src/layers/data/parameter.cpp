// Parameter: a learned blob of the given shape as a top; it has no bottom.
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"
#include "layers/shared/data/option_lists.h"

namespace crema {
namespace {

template <class T>
void AddGradient(const Context& ctx, const Blob& top, const Blob& param) {
  const T* dy = top.diff<T>();
  T* gradient = param.mutable_diff<T>();
  ForEach(ctx, top.count(), [=] HD(int64_t i) { gradient[i] += dy[i]; });
}

class ParameterLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override { return LayerTraits::Source(1, 1); }

  LayerPlan Plan(const PlanInput&) override {
    const Shape shape = ToShape(config().parameter_param().shape());
    LayerPlan plan;
    plan.tops = {shape};
    plan.params = {{shape, FillerSpec{}}};
    return plan;
  }

  void Forward(Context& ctx, const BlobList&, const BlobList& top) override {
    const Tensor& values = param(0).data_tensor();
    ctx.device().Copy(top[0]->data_tensor().raw(), values.raw(), values.bytes());
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>&,
                const BlobList&) override {
    if (!wants_gradient(0)) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, AddGradient<T>(ctx, *top[0], param(0)));
  }
};

CREMA_REGISTER_LAYER("Parameter", ParameterLayer);

}  // namespace
}  // namespace crema
