// Split: gives the bottom to several tops; the bottom's gradient is the sum of the tops'. A net
// puts one in wherever a blob has several readers.
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

template <class T>
void Add(const Context& ctx, int64_t count, const T* a, const T* b, T* sum) {
  ForEach(ctx, count, [=] HD(int64_t i) { sum[i] = a[i] + b[i]; });
}

// Adds from the first top to the last, leaving out those that nobody sends a gradient to.
template <class T>
void SumGradients(Context& ctx, const BlobList& tops, const Blob& bottom) {
  T* dx = bottom.mutable_diff<T>();
  std::vector<const T*> parts;
  for (const Blob* top : tops) {
    if (top->has_diff()) parts.push_back(top->diff<T>());
  }
  const size_t bytes = bottom.diff_tensor().bytes();
  if (parts.empty()) ctx.device().Zero(dx, bytes);
  if (parts.size() == 1) ctx.device().Copy(dx, parts[0], bytes);
  for (size_t i = 1; i < parts.size(); ++i) {
    Add<T>(ctx, bottom.count(), i == 1 ? parts[0] : dx, parts[i], dx);
  }
}

class SplitLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::View();
    traits.max_tops = -1;
    traits.accepts_channels_last = true;
    traits.is_per_sample = traits.forward_is_reentrant = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops.assign(config().top_size(), {input.shape(0), input.bottoms[0].dtype});
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const Tensor& from = bottom[0]->data_tensor();
    for (const Blob* blob : top) {
      const Tensor& to = blob->data_tensor();
      if (to.raw() != from.raw()) ctx.device().Copy(to.raw(), from.raw(), from.bytes());
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, SumGradients<T>(ctx, top, *bottom[0]));
  }
};

CREMA_REGISTER_LAYER("Split", SplitLayer);

}  // namespace
}  // namespace crema
