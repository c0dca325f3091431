// Dropout: in training y = x * m / (1 - ratio), where m is 0 with probability ratio and else 1;
// in testing y = x (Srivastava et al.: "Dropout: a simple way to prevent neural networks from
// overfitting", 2014). No mask is stored: backward draws the same counted random numbers again.
#include <cmath>

#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/philox.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

// Philox gives four words at a time, so four elements are worked on together: written out, for a
// loop within the kernel would keep the compiler from vectorising. A uniform number is the upper 24
// bits of a word, and is compared as a whole number.
template <class T>
void DropoutPass(const Context& ctx, const Blob& like, const T* in, T* out, float ratio,
                 uint64_t mixed) {
  const int64_t count = like.count(), blocks = count / 4;
  const uint64_t* step = ctx.device_step();
  const T scale = static_cast<T>(1.0 / (1.0 - ratio));
  const uint32_t kept = static_cast<uint32_t>(std::ceil(ratio * 16777216.0));
  ForEach(ctx, blocks, [=] HD(int64_t block) {
    const uint64_t counter = static_cast<uint64_t>(block), s = *step;
    const Philox4 random =
        Philox(static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
               static_cast<uint32_t>(s), static_cast<uint32_t>(s >> 32),
               static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32));
    const T* x = in + block * 4;
    const T y0 = x[0] * scale, y1 = x[1] * scale, y2 = x[2] * scale, y3 = x[3] * scale;
    T* y = out + block * 4;
    y[0] = (random.word[0] >> 8) >= kept ? y0 : T(0);
    y[1] = (random.word[1] >> 8) >= kept ? y1 : T(0);
    y[2] = (random.word[2] >> 8) >= kept ? y2 : T(0);
    y[3] = (random.word[3] >> 8) >= kept ? y3 : T(0);
  });
  ForEach(ctx, count - blocks * 4, [=] HD(int64_t r) {
    const int64_t i = blocks * 4 + r;
    const uint32_t bits = RandomBits(mixed, *step, static_cast<uint64_t>(i));
    out[i] = (bits >> 8) >= kept ? in[i] * scale : T(0);
  });
}

// Which elements stay, in Caffe's order; rounded up to whole numbers of four.
inline int64_t MaskBlocks(int64_t count) { return (count + 3) / 4; }

inline void MakeMask(const Context& ctx, int64_t count, float ratio, uint64_t mixed,
                     uint8_t* mask) {
  const uint64_t* step = ctx.device_step();
  const uint32_t kept = static_cast<uint32_t>(std::ceil(ratio * 16777216.0));
  ForEach(ctx, MaskBlocks(count), [=] HD(int64_t block) {
    const uint64_t counter = static_cast<uint64_t>(block), s = *step;
    const Philox4 random =
        Philox(static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
               static_cast<uint32_t>(s), static_cast<uint32_t>(s >> 32),
               static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32));
    uint8_t* m = mask + block * 4;
    m[0] = (random.word[0] >> 8) >= kept;
    m[1] = (random.word[1] >> 8) >= kept;
    m[2] = (random.word[2] >> 8) >= kept;
    m[3] = (random.word[3] >> 8) >= kept;
  });
}

// Elements have the numbers of Caffe's order, so that the layout does not change who is dropped.
// Four that share a draw are far apart here, hence the mask.
template <class T>
void DropoutChannelsLast(const Context& ctx, const Blob& like, const T* in, T* out, float ratio,
                         uint64_t mixed, uint8_t* mask) {
  const ChannelView view = ViewChannels(like.shape(), Layout::kPlain);
  const int64_t channels = view.channels, inner = view.inner;
  const T scale = static_cast<T>(1.0 / (1.0 - ratio));
  MakeMask(ctx, like.count(), ratio, mixed, mask);
  const uint8_t* stays = mask;
  ForEach(ctx, view.outer * inner, view.channels, [=] HD(int64_t r, int c) {
    const int64_t first = r / inner * channels * inner + r % inner, at = r * channels + c;
    out[at] = stays[first + c * inner] != 0 ? in[at] * scale : T(0);
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
    LayerTraits traits = LayerTraits::Elementwise();
    traits.backward_needs_bottom_data = traits.backward_needs_top_data = false;
    traits.keeps_signs = true;  // what is dropped has no gradient
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    if (phase() == Phase::kTrain && input.layout == Layout::kChannelsLast) {
      plan.scratch_bytes = MaskBytes(input.shape(0).count());
    }
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
  static size_t MaskBytes(int64_t count) { return static_cast<size_t>(MaskBlocks(count)) * 4; }

  // Both passes multiply by the same factors.
  template <class T>
  void Pass(Context& ctx, const Blob& like, const T* in, T* out) const {
    const float ratio = config().dropout_param().dropout_ratio();
    const uint64_t mixed = MixKeys(ctx.seed_of_rank(), random_key());
    if (phase() == Phase::kTrain && like.layout() == Layout::kChannelsLast) {
      auto* mask = static_cast<uint8_t*>(ctx.Scratch(MaskBytes(like.count())));
      DropoutChannelsLast<T>(ctx, like, in, out, ratio, mixed, mask);
    } else if (phase() == Phase::kTrain) {
      DropoutPass<T>(ctx, like, in, out, ratio, mixed);
    } else if (in != out) {
      ctx.device().Copy(out, in, like.count() * sizeof(T));
    }
  }
};

CREMA_REGISTER_LAYER("Dropout", DropoutLayer);

}  // namespace
}  // namespace crema
