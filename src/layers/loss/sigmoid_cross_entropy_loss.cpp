// SigmoidCrossEntropyLoss: the sum of -t log p - (1 - t) log(1 - p) with p = sigmoid(x), for scores
// x and targets t in [0, 1], divided by the batch size unless loss_param says otherwise.
#include <cmath>

#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/loss/loss_layer.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

// A target counts as ignored if its whole part is that label, as in Caffe.
template <class T>
struct TargetRule {
  const T* target;
  LabelRule rule;
  HD bool Counts(int64_t i) const {
    return rule.has_ignored == 0 || ReadLabel(target[i], rule) != kIgnoredLabel;
  }
};

// With |x| in the exponent nothing overflows.
template <class T>
void CrossEntropy(const Context& ctx, const Blob& scores, const TargetRule<T>& targets,
                  double fixed, T* normalizer, T* loss) {
  const T* x = scores.data<T>();
  SumLosses<T>(
      ctx, static_cast<int>(scores.count()), fixed,
      [=] HD(int i) {
        if (!targets.Counts(i)) return T(0);
        const T positive = x[i] > 0 ? x[i] : T(0);
        return positive - x[i] * targets.target[i] + std::log(1 + std::exp(x[i] - 2 * positive));
      },
      [=] HD(int i) { return targets.Counts(i) ? 1 : 0; }, normalizer, loss);
}

template <class T>
void CrossEntropyBackward(const Context& ctx, const Blob& scores, const TargetRule<T>& targets,
                          const T* normalizer, const T* weight) {
  const T* x = scores.data<T>();
  T* dx = scores.mutable_diff<T>();
  ForEach(ctx, scores.count(), [=] HD(int64_t i) {
    const T p = T(0.5) * std::tanh(T(0.5) * x[i]) + T(0.5);
    const T slope = targets.Counts(i) ? p - targets.target[i] : T(0);
    dx[i] = slope * (weight[0] / normalizer[0]);
  });
}

class SigmoidCrossEntropyLossLayer : public LossLayer<SigmoidCrossEntropyLossLayer, Layer> {
 public:
  SigmoidCrossEntropyLossLayer(const proto::LayerParameter& config, Phase phase)
      : LossLayer(config, phase),
        normalization_(NormalizationOf(config.loss_param(), proto::LossParameter::BATCH_SIZE)),
        rule_(LabelRuleOf(config.loss_param())) {}

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    const Shape& t = input.shape(1);
    if (x.rank() == 0 || t.rank() == 0 || x[0] != t[0] || x.count() != t.count()) {
      Fail("the scores have shape ", x.ToString(), " and the targets have shape ", t.ToString(),
           "; there must be one target per score");
    }
    LayerPlan plan = PlanLoss(x[0], x.count());
    fixed_ = FixedNormalizer(normalization_, x[0], x.CountFrom(1));
    saved_.Begin(input);
    saved_.Save(Shape{}, &plan);
    return plan;
  }

  template <class T>
  void RunForward(Context& ctx, const BlobList& bottom, const BlobList& top) {
    CrossEntropy<T>(ctx, *bottom[0], Targets<T>(bottom), fixed_,
                    saved_.Open(ctx, states()).at<T>(0), top[0]->mutable_data<T>());
  }

  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const BlobList& bottom, int) {
    CrossEntropyBackward<T>(ctx, *bottom[0], Targets<T>(bottom), saved_.Saved(states()).at<T>(0),
                            top[0]->diff<T>());
  }

 private:
  template <class T>
  TargetRule<T> Targets(const BlobList& bottom) const {
    return {bottom[1]->data<T>(), rule_};
  }

  LossNormalization normalization_;
  LabelRule rule_;
  double fixed_ = 0;
  SavedForBackward saved_;
};

CREMA_REGISTER_LAYER("SigmoidCrossEntropyLoss", SigmoidCrossEntropyLossLayer);

}  // namespace
}  // namespace crema
