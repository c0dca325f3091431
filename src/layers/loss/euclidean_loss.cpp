// EuclideanLoss: half the sum of squared differences of its two bottoms, divided by the batch size.
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/loss/loss_layer.h"

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

class EuclideanLossLayer : public PairLossLayer<EuclideanLossLayer> {
 public:
  using PairLossLayer::PairLossLayer;

  LayerPlan Plan(const PlanInput& input) override { return PlanPairs(input); }

  template <class T>
  void RunForward(Context& ctx, const BlobList& bottom, const BlobList& top) {
    EuclideanForward<T>(ctx, *bottom[0], *bottom[1], OneOverItems() / 2, *top[0]);
  }

  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const BlobList& bottom, int b) {
    EuclideanBackward<T>(ctx, *bottom[0], *bottom[1], GradientScale(b), *top[0],
                         bottom[b]->mutable_diff<T>());
  }
};

CREMA_REGISTER_LAYER("EuclideanLoss", EuclideanLossLayer);

}  // namespace
}  // namespace crema
