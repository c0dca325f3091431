// Pooling: the largest value, the mean, or a value drawn at random, of each window of each
// channel. STOCHASTIC: Zeiler and Fergus, "Stochastic pooling for regularization of deep
// convolutional neural networks", 2013.
#include "crema/dev/registry.h"
#include "layers/shared/vision/pooling_base.h"

namespace crema {
namespace {

class PoolingLayer : public PoolingBase {
 public:
  using PoolingBase::PoolingBase;

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, Run<T>(ctx, bottom, top));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    if (!traits().has_backward) Fail("pool: STOCHASTIC has a gradient only in phase TRAIN");
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* dy = top[0]->diff<T>();
      T* dx = bottom[0]->mutable_diff<T>();
      if (SelectsPixels()) {
        const int32_t* mask = saved_.Saved(states()).at<int32_t>(0);
        MaskBackward(ctx, sizes_, dy, mask, dx);
      } else {
        AverageBackward(ctx, sizes_, dy, dx);
      }
    });
  }

 private:
  template <class T>
  void Run(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const T* x = bottom[0]->data<T>();
    T* y = top[0]->mutable_data<T>();
    int32_t* mask = has_mask_ ? saved_.Open(ctx, states()).template at<int32_t>(0) : nullptr;
    switch (options().pool()) {
      case proto::PoolingParameter::MAX:
        MaxForward(ctx, sizes_, x, y, mask);
        if (top.size() > 1) {
          MaskToTop(ctx, top[1]->count(), mask, top[1]->mutable_data<T>());
        }
        break;
      case proto::PoolingParameter::AVE: AverageForward(ctx, sizes_, x, y); break;
      case proto::PoolingParameter::STOCHASTIC:
        if (phase() == Phase::kTrain) {
          StochasticTrain(ctx, sizes_, MixKeys(ctx.seed_of_rank(), random_key()), x, y, mask);
        } else {
          StochasticTest(ctx, sizes_, x, y);
        }
        break;
    }
  }
};

CREMA_REGISTER_LAYER("Pooling", PoolingLayer);

}  // namespace
}  // namespace crema
