// Silence: takes blobs that nobody else reads, so that they are not printed as results.
#include "crema.pb.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

class SilenceLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::WithoutValues();
    traits.max_bottoms = -1;
    traits.min_tops = traits.max_tops = 0;
    traits.accepts_channels_last = traits.accepts_any_dtype = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput&) override { return {}; }

  void Forward(Context&, const BlobList&, const BlobList&) override {}

  void Backward(Context& ctx, const BlobList&, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    for (size_t b = 0; b < bottom.size(); ++b) {
      if (!propagate_down[b]) continue;
      const Tensor& gradient = bottom[b]->diff_tensor();
      ctx.device().Zero(gradient.raw(), gradient.bytes());
    }
  }
};

CREMA_REGISTER_LAYER("Silence", SilenceLayer);

}  // namespace
}  // namespace crema
