// Huber: a loss that is a square near 0 and a line farther out. A loss with two bottoms.
#include <limits>

#include "crema/dev/for_each.h"
#include "crema/dev/reduce.h"
#include "crema/dev/registry.h"
#include "example.pb.h"

namespace example {
namespace {

using namespace crema;

template <class T>
void HuberForward(const Context& ctx, const Blob& left, const Blob& right, float delta,
                  double factor, const Blob& loss) {
  const T* a = left.data<T>();
  const T* b = right.data<T>();
  T* total = loss.mutable_data<T>();
  const double limit = delta;
  ReduceRows<SumOp, double>(
      ctx, 1, static_cast<int>(left.count()),
      [=] HD(int64_t, int i) {
        const double d = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
        return d <= limit ? d * d / 2 : limit * (d - limit / 2);
      },
      [=] HD(int64_t, double sum) { total[0] = static_cast<T>(factor * sum); });
}

// `factor` is 1 / batch size for the first bottom, the opposite for the second.
template <class T>
void HuberBackward(const Context& ctx, const Blob& left, const Blob& right, float delta,
                   double factor, const Blob& loss, T* gradient) {
  const T* a = left.data<T>();
  const T* b = right.data<T>();
  const T* weight = loss.diff<T>();
  const T limit = delta, f = static_cast<T>(factor);
  ForEach(ctx, left.count(), [=] HD(int64_t i) {
    const T d = a[i] - b[i];
    gradient[i] = f * weight[0] * (d > limit ? limit : d < -limit ? -limit : d);
  });
}

class HuberLayer : public Layer {
 public:
  HuberLayer(const proto::LayerParameter& config, Phase phase)
      : Layer(config, phase), delta_(config.GetExtension(huber_param).delta()) {
    if (!(delta_ > 0)) Fail("delta is ", delta_, ", but must be greater than 0");
  }

  LayerTraits traits() const override { return LayerTraits::Loss(2); }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& a = input.shape(0);
    const Shape& b = input.shape(1);
    if (a.rank() == 0 || a != b) {
      Fail("bottom 0 has shape ", a.ToString(), " and bottom 1 has shape ", b.ToString(),
           "; they must have the same shape, with an axis at least");
    }
    if (a.count() > std::numeric_limits<int>::max()) {
      Fail("takes at most 2^31 - 1 values, found ", a.count());
    }
    items_ = a[0];
    LayerPlan plan;
    plan.tops = {Shape{}};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         HuberForward<T>(ctx, *bottom[0], *bottom[1], delta_, Share(), *top[0]));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    for (int b : {0, 1}) {
      if (!propagate_down[b]) continue;
      CREMA_FLOAT_DISPATCH(
          bottom[0]->dtype(), T,
          HuberBackward<T>(ctx, *bottom[0], *bottom[1], delta_, b == 0 ? Share() : -Share(),
                           *top[0], bottom[b]->mutable_diff<T>()));
    }
  }

 private:
  // An empty batch has no loss.
  double Share() const { return items_ == 0 ? 0 : 1.0 / static_cast<double>(items_); }

  const float delta_;
  int64_t items_ = 0;
};

CREMA_REGISTER_LAYER("Huber", HuberLayer);

}  // namespace
}  // namespace example
