// ContrastiveLoss (Hadsell, Chopra, LeCun: "Dimensionality reduction by learning an invariant
// mapping", 2006): for pairs of vectors at the distance d, d^2 if they are alike (the third
// bottom is not 0) and max(margin - d, 0)^2 if they are not, summed, divided by twice the batch
// size.
#include <cmath>

#include "base/checked.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/loss/loss_layer.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

struct PairRule {
  double margin;
  int64_t legacy;  // 1: max(margin - d^2, 0) for those that are not alike
};

// Caffe's guard against division by a distance of 0.
constexpr double kLeastDistance = 1e-4;

template <class T>
void SquaredDistances(const Context& ctx, int pairs, int size, const T* a, const T* b, T* squared) {
  ReduceRows<SumOp, T>(
      ctx, pairs, size,
      [=] HD(int64_t n, int i) {
        const T difference = a[n * size + i] - b[n * size + i];
        return difference * difference;
      },
      [=] HD(int64_t n, T total) { squared[n] = total; });
}

template <class T>
void PairLosses(const Context& ctx, int pairs, const PairRule& rule, const T* squared,
                const T* alike, double factor, T* loss) {
  const T margin = static_cast<T>(rule.margin);
  const bool legacy = rule.legacy != 0;
  SumLosses<T>(
      ctx, pairs, factor,
      [=] HD(int n) {
        if (static_cast<int>(alike[n]) != 0) return squared[n];
        const T missing = margin - (legacy ? squared[n] : std::sqrt(squared[n]));
        if (!(missing > 0)) return T(0);
        return legacy ? missing : missing * missing;
      },
      loss);
}

// The gradient for a is slope * (a - b), for b its opposite; `factor` has the sign.
template <class T>
void PairBackward(const Context& ctx, int pairs, int size, const PairRule& rule, const T* squared,
                  const T* alike, const T* a, const T* b, double factor, const T* weight,
                  T* gradient) {
  const T margin = static_cast<T>(rule.margin), f = static_cast<T>(factor);
  const bool legacy = rule.legacy != 0;
  ForEach(ctx, pairs, size, [=] HD(int64_t n, int i) {
    T slope = 1;
    if (static_cast<int>(alike[n]) == 0) {
      const T distance = std::sqrt(squared[n]);
      const T missing = margin - (legacy ? squared[n] : distance);
      const T pull = legacy ? T(1) : missing / (distance + T(kLeastDistance));
      slope = missing > 0 ? -pull : T(0);
    }
    const int64_t at = n * size + i;
    gradient[at] = f * weight[0] * slope * (a[at] - b[at]);
  });
}

class ContrastiveLossLayer : public PairLossLayer<ContrastiveLossLayer> {
 public:
  using PairLossLayer::PairLossLayer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Loss(3);
    traits.zero_gradient_bottoms = {2};
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan = PlanPairs(input);
    const Shape& a = input.shape(0);
    if (input.shape(2).count() != a[0]) {
      Fail("bottom 2 has shape ", input.shape(2).ToString(),
           ", but must have one number per pair (", a[0], "), nonzero if the two are similar");
    }
    pairs_ = CheckedInt(a[0], Title() + ": the number of pairs");
    size_ = CheckedInt(a.CountFrom(1), Title() + ": the size of a vector");
    saved_.Begin(input);
    saved_.Save(Shape{pairs_}, &plan);
    return plan;
  }

  template <class T>
  void RunForward(Context& ctx, const BlobList& bottom, const BlobList& top) {
    T* squared = saved_.Open(ctx, states()).at<T>(0);
    SquaredDistances(ctx, pairs_, size_, bottom[0]->data<T>(), bottom[1]->data<T>(), squared);
    PairLosses<T>(ctx, pairs_, rule(), squared, bottom[2]->data<T>(), OneOverItems() / 2,
                  top[0]->mutable_data<T>());
  }

  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const BlobList& bottom, int b) {
    PairBackward<T>(ctx, pairs_, size_, rule(), saved_.Saved(states()).at<T>(0),
                    bottom[2]->data<T>(), bottom[0]->data<T>(), bottom[1]->data<T>(),
                    GradientScale(b), top[0]->diff<T>(), bottom[b]->mutable_diff<T>());
  }

 private:
  PairRule rule() const {
    const proto::ContrastiveLossParameter& param = config().contrastive_loss_param();
    return {param.margin(), param.legacy_version() ? 1 : 0};
  }

  int pairs_ = 0, size_ = 0;
  SavedForBackward saved_;
};

CREMA_REGISTER_LAYER("ContrastiveLoss", ContrastiveLossLayer);

}  // namespace
}  // namespace crema
