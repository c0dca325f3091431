// The layers that a net puts in between two others where one wants channels-last and the other the
// plain order. Their types cannot be meant by mistake, and no manual lists them.
#include "crema/layer/registry.h"
#include "crema/math/for_each.h"

namespace crema {
namespace {

// As images of colours have: pixel by pixel, so that two threads do not write into the same lines.
template <int kChannels, class T>
void InterleaveFew(const Context& ctx, const ChannelView& view, const T* in, T* out) {
  const int64_t inner = view.inner;
  ForEach(ctx, view.outer, view.inner, [=] HD(int64_t image, int i) {
    for (int c = 0; c < kChannels; ++c) {
      out[(image * inner + i) * kChannels + c] = in[(image * kChannels + c) * inner + i];
    }
  });
}

// Walks along the longer axis of the two that change places, so that it vectorises.
constexpr int kFewChannels = 16;

template <class T>
void ToChannelsLast(const Context& ctx, const ChannelView& view, const T* in, T* out) {
  const int64_t channels = view.channels, inner = view.inner;
  if (channels == 3) return InterleaveFew<3>(ctx, view, in, out);
  if (channels == 4) return InterleaveFew<4>(ctx, view, in, out);
  if (channels < kFewChannels) {
    ForEach(ctx, view.outer * channels, view.inner, [=] HD(int64_t r, int i) {
      out[(r / channels * inner + i) * channels + r % channels] = in[r * inner + i];
    });
    return;
  }
  ForEach(ctx, view.outer * inner, view.channels, [=] HD(int64_t r, int c) {
    out[r * channels + c] = in[(r / inner * channels + c) * inner + r % inner];
  });
}

template <class T>
void ToPlain(const Context& ctx, const ChannelView& view, const T* in, T* out) {
  const int64_t channels = view.channels, inner = view.inner;
  ForEach(ctx, view.outer * channels, view.inner, [=] HD(int64_t r, int i) {
    out[r * inner + i] = in[(r / channels * inner + i) * channels + r % channels];
  });
}

template <class T>
void Change(const Context& ctx, const Shape& shape, Layout to, const T* in, T* out) {
  const ChannelView view = ViewChannels(shape, Layout::kPlain);
  if (to == Layout::kChannelsLast) {
    ToChannelsLast(ctx, view, in, out);
  } else {
    ToPlain(ctx, view, in, out);
  }
}

// The gradient goes the way back.
class ChangeLayoutLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_top_data = false;
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
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         Change<T>(ctx, top[0]->shape(), top[0]->layout(), bottom[0]->data<T>(),
                                   top[0]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         Change<T>(ctx, top[0]->shape(), bottom[0]->layout(), top[0]->diff<T>(),
                                   bottom[0]->mutable_diff<T>()));
  }
};

using ToChannelsLastLayer = ChangeLayoutLayer;
using ToPlainLayer = ChangeLayoutLayer;
CREMA_REGISTER_LAYER("(to channels-last)", ToChannelsLastLayer);
CREMA_REGISTER_LAYER("(to plain)", ToPlainLayer);

}  // namespace
}  // namespace crema
