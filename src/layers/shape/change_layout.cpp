// The layers that a net puts in between two others if one wants channels-last and the other the
// plain order. Their types cannot be meant by mistake, and no manual lists them.
#include "crema/dev/registry.h"
#include "crema/dev/transpose.h"

namespace crema {
namespace {

template <class T>
void Change(const Context& ctx, const Shape& shape, Layout to, const T* in, T* out) {
  const ChannelView view = ViewChannels(shape, Layout::kPlain);
  if (to == Layout::kChannelsLast) {
    TransposeEach(ctx, view.outer, view.channels, view.inner, in, out);
  } else {
    TransposeEach(ctx, view.outer, view.inner, view.channels, in, out);
  }
}

// The gradient goes the way back.
class ChangeLayoutLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::WithoutValues();
    traits.is_per_sample = traits.forward_is_reentrant = true;
    traits.accepts_any_dtype = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {{input.shape(0), input.bottoms[0].dtype}};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (top[0]->dtype() == DType::kInt32) {
      ChangeValues<int32_t>(ctx, *bottom[0], *top[0]);
    } else {
      CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, ChangeValues<T>(ctx, *bottom[0], *top[0]));
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         Change<T>(ctx, top[0]->shape(), bottom[0]->layout(), top[0]->diff<T>(),
                                   bottom[0]->mutable_diff<T>()));
  }

 private:
  template <class T>
  static void ChangeValues(const Context& ctx, const Blob& bottom, const Blob& top) {
    Change<T>(ctx, top.shape(), top.layout(), bottom.data<T>(), top.mutable_data<T>());
  }
};

using ToChannelsLastLayer = ChangeLayoutLayer;
using ToPlainLayer = ChangeLayoutLayer;
CREMA_REGISTER_LAYER("(to channels-last)", ToChannelsLastLayer);
CREMA_REGISTER_LAYER("(to plain)", ToPlainLayer);

}  // namespace
}  // namespace crema
