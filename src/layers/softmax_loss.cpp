// SoftmaxWithLoss: the mean over positions of -log p, p being the softmax probability of the
// position's label. The probabilities are not kept: Backward makes them again from the scores and
// each position's largest score and sum.
#include <cfloat>

#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "layers/shared/loss_labels.h"
#include "layers/shared/loss_total.h"
#include "layers/shared/saved_for_backward.h"
#include "layers/shared/softmax.h"

namespace crema {
namespace {

// Losses, counted labels and bad labels, one after the other.
template <class T>
struct Parts {
  T* loss;
  T* counted;
  T* bad;
};

// As in Caffe a probability counts as no less than FLT_MIN.
template <class T>
void LossParts(const Context& ctx, const ChannelView& view, const LabelRule& rule, const T* x,
               const T* label, const SoftmaxSums<T>& saved, const Parts<T>& parts) {
  const T* peak = saved.peak;
  const T* sum = saved.sum;
  const int channels = view.channels;
  const int inner = view.inner;
  const T worst = -std::log(T(FLT_MIN));
  ForEach(ctx, view.outer, inner, [=] HD(int64_t r, int c) {
    const int64_t position = r * inner + c;
    const int k = ReadLabel(label[position], rule);
    const int64_t at = (r * channels + (k < 0 ? 0 : k)) * inner + c;
    const T loss = std::log(sum[position]) - (x[at] - peak[position]);
    parts.loss[position] = k < 0 ? T(0) : loss > worst ? worst : loss;
    parts.counted[position] = k < 0 ? T(0) : T(1);
    parts.bad[position] = k == kBadLabel ? T(1) : T(0);
  });
}

// dx = (p - [this is the label's score]) * loss weight / normaliser, 0 where the label is ignored.
template <class T>
void SoftmaxLossBackward(const Context& ctx, const ChannelView& view, const LabelRule& rule,
                         const SoftmaxSums<T>& saved, const T* normalizer, const Blob& scores,
                         const Blob& labels, const Blob& loss) {
  const T* x = scores.data<T>();
  const T* label = labels.data<T>();
  const T* weight = loss.diff<T>();
  T* dx = scores.mutable_diff<T>();
  ForEachScore(ctx, view, [=] HD(int64_t i, int64_t position, int channel) {
    const int k = ReadLabel(label[position], rule);
    const T probability = std::exp(x[i] - saved.peak[position]) / saved.sum[position];
    const T slope = probability - (k == channel ? T(1) : T(0));
    dx[i] = k < 0 ? T(0) : slope * (weight[0] / normalizer[0]);
  });
}

class SoftmaxWithLossLayer : public LabelledLayer {
 public:
  SoftmaxWithLossLayer(const proto::LayerParameter& config, Phase phase)
      : LabelledLayer(config, phase),
        normalization_(NormalizationOf(config.loss_param(), proto::LossParameter::VALID)) {
    rule().has_ignored = config.loss_param().has_ignore_label() ? 1 : 0;
    rule().ignored = config.loss_param().ignore_label();
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Loss(2);
    traits.max_tops = 2;
    traits.no_gradient_bottoms = {1};
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    CheckOrder(input);
    const Shape& scores = input.shape(0);
    const int axis = scores.CanonicalAxis(config().softmax_param().axis(), Title() + ": axis");
    view_ = ViewChannels(scores, Layout::kPlain, axis);
    CheckShapes(scores, input.shape(1), axis);
    LayerPlan plan;
    plan.tops = {Shape{}};
    if (config().top_size() > 1) plan.tops.push_back(scores);
    const Shape positions{view_.outer * view_.inner};
    saved_.Begin(input);
    saved_.Save(positions, &plan);
    saved_.Save(positions, &plan);
    saved_.Save(Shape{}, &plan);
    saved_.Use(Shape{3, positions[0]}, &plan);
    PlanLabels(view_.channels, &plan.state);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    NewLabels(ctx);
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, Run<T>(ctx, bottom, top));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    const SavedForBackward::Pieces saved = saved_.Saved(states());
    CREMA_FLOAT_DISPATCH(
        bottom[0]->dtype(), T,
        SoftmaxLossBackward<T>(ctx, view_, rule(), Sums<T>(saved), saved.at<T>(kNormalizer),
                               *bottom[0], *bottom[1], *top[0]));
  }

 private:
  void CheckShapes(const Shape& scores, const Shape& labels, int axis) const {
    CheckLabels(scores, labels, axis, view_.outer * view_.inner, axis > 0);
    if (view_.channels == 0) Fail("the scores have no classes: their shape is ", scores.ToString());
  }

  template <class T>
  static SoftmaxSums<T> Sums(const SavedForBackward::Pieces& memory) {
    return {memory.at<T>(kPeaks), memory.at<T>(kSums)};
  }

  template <class T>
  void Run(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const int positions = static_cast<int>(view_.outer * view_.inner);
    const T* x = bottom[0]->data<T>();
    const T* label = bottom[1]->data<T>();
    const SavedForBackward::Pieces memory = saved_.Open(ctx, states());
    const SoftmaxSums<T> sums = Sums<T>(memory);
    T* rows = memory.at<T>(kParts);
    const Parts<T> parts = {rows, rows + positions, rows + 2 * static_cast<int64_t>(positions)};
    PeaksAndSums(ctx, view_, x, sums);
    LossParts(ctx, view_, rule(), x, label, sums, parts);
    SumLosses<T>(ctx, positions, FixedNormalizer(normalization_, view_.outer, view_.inner),
                 Element<T>{parts.loss}, Element<T>{parts.counted}, memory.at<T>(kNormalizer),
                 top[0]->mutable_data<T>());
    NoteBad(ctx, positions, label, parts.bad);
    if (top.size() > 1) Probabilities(ctx, view_, x, sums, top[1]->mutable_data<T>());
  }

  static constexpr int kPeaks = 0, kSums = 1, kNormalizer = 2, kParts = 3;  // pieces

  SavedForBackward saved_;
  LossNormalization normalization_;
  ChannelView view_ = {};
};

CREMA_REGISTER_LAYER("SoftmaxWithLoss", SoftmaxWithLossLayer);

}  // namespace
}  // namespace crema
