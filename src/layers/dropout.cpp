// Dropout: in training y = x * m / (1 - ratio), where m is 0 with probability ratio and else 1;
// in testing y = x (Srivastava et al.: "Dropout: a simple way to prevent neural networks from
// overfitting", 2014). No mask is stored: backward draws the same counted random numbers again.
#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "crema/math/for_each.h"
#include "crema/math/philox.h"

namespace crema {
namespace {

// Philox gives four words at a time, so four elements are worked on together.
template <class T>
void DropoutPass(const Context& ctx, const Blob& like, const T* in, T* out, float ratio,
                 uint64_t mixed) {
  const int64_t count = like.count();
  const uint64_t* step_address = ctx.device_step();
  const T scale = static_cast<T>(1.0 / (1.0 - ratio));
  ForEach(ctx, (count + 3) / 4, [=] HD(int64_t block) {
    const uint64_t step = *step_address, counter = static_cast<uint64_t>(block);
    const Philox4 random =
        Philox(static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
               static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32),
               static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32));
    for (int j = 0; j < 4; ++j) {
      const int64_t i = block * 4 + j;
      if (i >= count) break;
      const float uniform = static_cast<float>(random.word[j] >> 8) * (1.0f / 16777216.0f);
      out[i] = uniform >= ratio ? in[i] * scale : T(0);
    }
  });
}

class DropoutLayer : public Layer {
 public:
  DropoutLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const float ratio = config.dropout_param().dropout_ratio();
    if (!(ratio >= 0 && ratio < 1)) {
      Fail("dropout_ratio is ", ratio, ", but must be at least 0 and below 1");
    }
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.may_run_in_place = true;
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_top_data = false;
    traits.accepts_channels_last = true;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    LayerPlan plan;
    plan.tops = {bottoms[0]};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         Pass<T>(ctx, *bottom[0], bottom[0]->data<T>(), top[0]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         Pass<T>(ctx, *top[0], top[0]->diff<T>(), bottom[0]->mutable_diff<T>()));
  }

 private:
  // Both passes multiply by the same factors.
  template <class T>
  void Pass(Context& ctx, const Blob& like, const T* in, T* out) const {
    if (phase() == Phase::kTrain) {
      DropoutPass<T>(ctx, like, in, out, config().dropout_param().dropout_ratio(),
                     MixKeys(ctx.seed(), random_key()));
    } else if (in != out) {
      ctx.device().Copy(out, in, like.count() * sizeof(T));
    }
  }
};

CREMA_REGISTER_LAYER("Dropout", DropoutLayer);

}  // namespace
}  // namespace crema
