// SoftmaxWithLoss: the mean over positions of -log p, p being the softmax probability of the
// position's label. The probabilities are not kept: Backward makes them again from the scores and
// each position's largest score and sum.
#include <cfloat>

#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "layers/shared/loss_labels.h"
#include "layers/shared/softmax.h"

namespace crema {
namespace {

// What Forward leaves for Backward, one number a position, and the normaliser.
template <class T>
struct Saved {
  T* peak;        // the largest score
  T* sum;         // of exp(score - peak)
  T* normalizer;  // what the loss was divided by
};

// Losses, counted labels and bad labels, one after the other.
template <class T>
struct Parts {
  T* loss;
  T* counted;
  T* bad;
};

template <class T>
void PeaksAndSums(const Context& ctx, const ChannelView& view, const T* x, const Saved<T>& saved) {
  const T* peak = saved.peak;
  ScorePeaks(ctx, view, x, saved.peak);
  ReduceScores<SumOp, T>(
      ctx, view,
      [=] HD(int64_t i, int64_t position) { return std::exp(x[i] - peak[position]); }, saved.sum);
}

// As in Caffe a probability counts as no less than FLT_MIN.
template <class T>
void LossParts(const Context& ctx, const ChannelView& view, const LabelRule& rule, const T* x,
               const T* label, const Saved<T>& saved, const Parts<T>& parts) {
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

// loss = sum of losses / normaliser; `fixed` is the normaliser, or 0: the number of counted labels.
// As in Caffe it is at least 1.
template <class T>
void Finish(const Context& ctx, int positions, double fixed, const Parts<T>& parts, T* normalizer,
            T* loss) {
  const T* counted = parts.counted;
  const T* losses = parts.loss;
  ReduceRows<SumOp, double>(
      ctx, 1, positions, [=] HD(int64_t, int i) { return static_cast<double>(counted[i]); },
      [=] HD(int64_t, double total) {
        const double divisor = fixed > 0 ? fixed : total;
        normalizer[0] = static_cast<T>(divisor > 1 ? divisor : 1);
      });
  ReduceRows<SumOp, double>(
      ctx, 1, positions, [=] HD(int64_t, int i) { return static_cast<double>(losses[i]); },
      [=] HD(int64_t, double total) { loss[0] = static_cast<T>(total / normalizer[0]); });
}

template <class T>
void Probabilities(const Context& ctx, const ChannelView& view, const T* x, const Saved<T>& saved,
                   T* probability) {
  ForEachScore(ctx, view, [=] HD(int64_t i, int64_t position, int) {
    probability[i] = std::exp(x[i] - saved.peak[position]) / saved.sum[position];
  });
}

// dx = (p - [this is the label's score]) * loss weight / normaliser, 0 where the label is ignored.
template <class T>
void SoftmaxLossBackward(const Context& ctx, const ChannelView& view, const LabelRule& rule,
                         const Saved<T>& saved, const Blob& scores, const Blob& labels,
                         const Blob& loss) {
  const T* x = scores.data<T>();
  const T* label = labels.data<T>();
  const T* weight = loss.diff<T>();
  T* dx = scores.mutable_diff<T>();
  ForEachScore(ctx, view, [=] HD(int64_t i, int64_t position, int channel) {
    const int k = ReadLabel(label[position], rule);
    const T probability = std::exp(x[i] - saved.peak[position]) / saved.sum[position];
    const T slope = probability - (k == channel ? T(1) : T(0));
    dx[i] = k < 0 ? T(0) : slope * (weight[0] / saved.normalizer[0]);
  });
}

class SoftmaxWithLossLayer : public Layer {
 public:
  SoftmaxWithLossLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::LossParameter& loss = config.loss_param();
    rule_.has_ignored = loss.has_ignore_label() ? 1 : 0;
    rule_.ignored = loss.ignore_label();
    normalization_ = loss.normalization();
    if (!loss.has_normalization() && loss.has_normalize()) {
      normalization_ =
          loss.normalize() ? proto::LossParameter::VALID : proto::LossParameter::BATCH_SIZE;
    }
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.min_bottoms = traits.max_bottoms = 2;
    traits.max_tops = 2;
    traits.is_loss = true;
    traits.adds_missing_tops = true;
    traits.backward_needs_top_data = false;
    traits.no_gradient_bottoms = {1};
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    const Shape& scores = bottoms[0];
    const int axis =
        scores.CanonicalAxis(config().softmax_param().axis(), Title() + ": axis");
    view_ = ViewChannels(scores, Layout::kPlain, axis);
    CheckShapes(scores, bottoms[1], axis);
    rule_.classes = view_.channels;
    LayerPlan plan;
    plan.tops = {Shape{}};
    if (config().top_size() > 1) plan.tops.push_back(scores);
    const Shape positions{view_.outer * view_.inner};
    plan.state = {{positions, {}}, {positions, {}}, {Shape{}, {}}, {Shape{3, positions[0]}, {}}};
    note_.Plan(&plan.state);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    note_.Prepare(ctx, state(note_.count_state()));
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, Run<T>(ctx, bottom, top));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         SoftmaxLossBackward<T>(ctx, view_, rule_, SavedStates<T>(), *bottom[0],
                                                *bottom[1], *top[0]));
  }

  std::string CheckAfterForward(Context& ctx) override {
    const std::string problem = note_.Read(ctx, state(note_.count_state()),
                                           state(note_.value_state()), rule_);
    if (problem.empty()) return "";
    return Concat(Title(), ": its bottom '", config().bottom(1), "' ", problem);
  }

 private:
  void CheckShapes(const Shape& scores, const Shape& labels, int axis) const {
    const int64_t positions = view_.outer * view_.inner;
    const bool batch_fits = axis == 0 || (labels.rank() > 0 && labels[0] == scores[0]);
    if (labels.count() != positions || !batch_fits) {
      Fail("the scores have the shape ", scores.ToString(), ", so with axis ", axis,
           " there must be ", positions, " labels, but the labels have the shape ",
           labels.ToString());
    }
    if (view_.channels == 0) Fail("the scores have no classes: their shape is ", scores.ToString());
    if (positions > std::numeric_limits<int>::max()) {
      Fail(positions, " labels are too many; at most ", std::numeric_limits<int>::max(),
           " are allowed");
    }
  }

  // The normaliser, or 0 where it is the number of counted labels.
  double FixedNormalizer() const {
    switch (normalization_) {
      case proto::LossParameter::VALID: return 0;
      case proto::LossParameter::FULL: return static_cast<double>(view_.outer * view_.inner);
      case proto::LossParameter::BATCH_SIZE: return static_cast<double>(view_.outer);
      case proto::LossParameter::NONE: return 1;
    }
    return 1;
  }

  template <class T>
  Saved<T> SavedStates() const {
    return {state(0).mutable_data<T>(), state(1).mutable_data<T>(), state(2).mutable_data<T>()};
  }

  template <class T>
  void Run(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const int positions = static_cast<int>(view_.outer * view_.inner);
    const T* x = bottom[0]->data<T>();
    const T* label = bottom[1]->data<T>();
    const Saved<T> saved = SavedStates<T>();
    T* rows = state(3).mutable_data<T>();
    const Parts<T> parts = {rows, rows + positions, rows + 2 * static_cast<int64_t>(positions)};
    PeaksAndSums(ctx, view_, x, saved);
    LossParts(ctx, view_, rule_, x, label, saved, parts);
    Finish(ctx, positions, FixedNormalizer(), parts, saved.normalizer, top[0]->mutable_data<T>());
    NoteBadLabels(ctx, positions, label, parts.bad, state(note_.count_state()),
                  state(note_.value_state()));
    if (top.size() > 1) Probabilities(ctx, view_, x, saved, top[1]->mutable_data<T>());
  }

  LabelRule rule_;
  proto::LossParameter::NormalizationMode normalization_;
  ChannelView view_ = {};
  LabelNote note_;
};

CREMA_REGISTER_LAYER("SoftmaxWithLoss", SoftmaxWithLossLayer);

}  // namespace
}  // namespace crema
