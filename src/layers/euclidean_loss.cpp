// EuclideanLoss: half the sum of squared differences of its two bottoms, divided by the batch size.
#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "layers/shared/loss_total.h"

namespace crema {
namespace {

template <class T>
void EuclideanForward(const Context& ctx, const Blob& left, const Blob& right, double factor,
                      const Blob& loss) {
  const T* a = left.data<T>();
  const T* b = right.data<T>();
  SumLosses<T>(
      ctx, static_cast<int>(left.count()), factor,
      [=] HD(int i) { return (a[i] - b[i]) * (a[i] - b[i]); }, loss.mutable_data<T>());
}

// `factor` is 1 / batch size for the first bottom, the opposite for the second.
template <class T>
void EuclideanBackward(const Context& ctx, const Blob& left, const Blob& right, double factor,
                       const Blob& loss, T* gradient) {
  const T* a = left.data<T>();
  const T* b = right.data<T>();
  const T* weight = loss.diff<T>();
  const T f = static_cast<T>(factor);
  ForEach(ctx, left.count(), [=] HD(int64_t i) { gradient[i] = f * weight[0] * (a[i] - b[i]); });
}

class EuclideanLossLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override { return LayerTraits::Loss(2); }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& a = input.shape(0);
    const Shape& b = input.shape(1);
    if (a.rank() == 0 || b.rank() == 0 || a[0] != b[0] || a.CountFrom(1) != b.CountFrom(1)) {
      Fail("bottom 0 has shape ", a.ToString(), " and bottom 1 has shape ", b.ToString(),
           "; they must have the same number of items (axis 0) and of values per item");
    }
    CheckLossCount(Title(), a.count());
    items_ = a[0];
    LayerPlan plan;
    plan.tops = {Shape{}};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         EuclideanForward<T>(ctx, *bottom[0], *bottom[1], Share() / 2, *top[0]));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    for (int b : {0, 1}) {
      if (!propagate_down[b]) continue;
      CREMA_FLOAT_DISPATCH(
          bottom[0]->dtype(), T,
          EuclideanBackward<T>(ctx, *bottom[0], *bottom[1], b == 0 ? Share() : -Share(), *top[0],
                               bottom[b]->mutable_diff<T>()));
    }
  }

 private:
  // An empty batch has no loss.
  double Share() const { return items_ == 0 ? 0 : 1.0 / static_cast<double>(items_); }

  int64_t items_ = 0;
};

CREMA_REGISTER_LAYER("EuclideanLoss", EuclideanLossLayer);

}  // namespace
}  // namespace crema
