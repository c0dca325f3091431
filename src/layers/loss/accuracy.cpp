// Accuracy: the share of positions whose label is among the top_k highest scores. A score that is
// equal to the label's, or a NaN, counts against it.
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/loss/loss_labels.h"
#include "layers/shared/normalization/softmax.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

// One number a position.
template <class T>
struct RankedLabels {
  int32_t* label;  // as ReadLabel gives it
  int32_t* rank;   // scores that are not below the label's, its own included
  T* bad;
};

template <class T>
void ReadLabels(const Context& ctx, int positions, const LabelRule& rule, const T* label,
                const RankedLabels<T>& ranked) {
  ForEach(ctx, positions, [=] HD(int64_t i) {
    const int k = ReadLabel(label[i], rule);
    ranked.label[i] = k;
    ranked.bad[i] = k == kBadLabel ? T(1) : T(0);
  });
}

template <class T>
void ComputeRanks(const Context& ctx, const ChannelView& view, const T* x,
                  const RankedLabels<T>& ranked) {
  const int64_t channels = view.channels;
  const int inner = view.inner;
  const int32_t* label = ranked.label;
  ReduceScores<SumOp, int32_t>(
      ctx, view,
      [=] HD(int64_t i, int64_t position) {
        const int64_t outer = inner == 1 ? position : position / inner;
        const int64_t k = label[position] < 0 ? 0 : label[position];
        const T own = x[(outer * channels + k) * inner + (position - outer * inner)];
        return x[i] < own ? 0 : 1;
      },
      ranked.rank);
}

constexpr int32_t kAllClasses = -1;

// out[c] = hits / labels among the positions whose label is first + c, or 0 where there are none;
// with kAllClasses as `first`, out[0] is that of all positions. `counts` holds two numbers an
// output.
template <class T>
void WriteAccuracies(const Context& ctx, int positions, int32_t first, int outputs, int top_k,
                     const RankedLabels<T>& ranked, int32_t* counts, T* out) {
  const int32_t* label = ranked.label;
  const int32_t* rank = ranked.rank;
  ReduceRows<SumOp, int32_t>(
      ctx, int64_t{2} * outputs, positions,
      [=] HD(int64_t r, int i) {
        const bool mine = first == kAllClasses ? label[i] >= 0 : label[i] == first + (r >> 1);
        return mine && ((r & 1) == 0 || rank[i] <= top_k) ? 1 : 0;
      },
      [=] HD(int64_t r, int32_t total) { counts[r] = total; });
  ForEach(ctx, outputs, [=] HD(int64_t c) {
    const int32_t labels = counts[2 * c];
    out[c] = labels == 0 ? T(0) : T(counts[2 * c + 1]) / T(labels);
  });
}

class AccuracyLayer : public LabelledLayer {
 public:
  AccuracyLayer(const proto::LayerParameter& config, Phase phase) : LabelledLayer(config, phase) {
    rule() = LabelRuleOf(config.accuracy_param());
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.min_bottoms = traits.max_bottoms = 2;
    traits.max_tops = 2;
    traits.no_gradient_bottoms = {0, 1};
    traits.has_backward = false;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    CheckOrder(input);
    const Shape& scores = input.shape(0);
    const int axis = scores.CanonicalAxis(config().accuracy_param().axis(), Title() + ": axis");
    view_ = ViewChannels(scores, Layout::kPlain, axis);
    CheckShapes(scores, input.shape(1), axis);
    LayerPlan plan;
    plan.tops = {Shape{}};
    if (config().top_size() > 1) plan.tops.push_back(Shape{view_.channels});
    const int64_t positions = view_.outer * view_.inner;
    memory_.Begin(input);
    memory_.Use({Shape{positions}, DType::kInt32}, &plan);
    memory_.Use({Shape{positions}, DType::kInt32}, &plan);
    memory_.Use(Shape{positions}, &plan);
    memory_.Use({Shape{2 * static_cast<int64_t>(view_.channels)}, DType::kInt32}, &plan);
    PlanLabels(view_.channels, &plan.state);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    PrepareLabelCheck(ctx);
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, Run<T>(ctx, bottom, top));
  }

 private:
  void CheckShapes(const Shape& scores, const Shape& labels, int axis) const {
    CheckLabels(scores, labels, axis, view_.outer * view_.inner, false);
    if (view_.channels == 0) Fail("the scores have no classes: their shape is ", scores.ToString());
    CheckRange(Title() + ": top_k", config().accuracy_param().top_k(), 1, view_.channels,
               "the maximum is the number of classes");
  }

  template <class T>
  void Run(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const int positions = static_cast<int>(view_.outer * view_.inner);
    const int top_k = static_cast<int>(config().accuracy_param().top_k());
    const T* label = bottom[1]->data<T>();
    const SavedForBackward::Pieces memory = memory_.Open(ctx, states());
    const RankedLabels<T> ranked = {memory.at<int32_t>(0), memory.at<int32_t>(1), memory.at<T>(2)};
    int32_t* counts = memory.at<int32_t>(3);
    ReadLabels(ctx, positions, rule(), label, ranked);
    ComputeRanks(ctx, view_, bottom[0]->data<T>(), ranked);
    WriteAccuracies(ctx, positions, kAllClasses, 1, top_k, ranked, counts,
                    top[0]->mutable_data<T>());
    if (top.size() > 1) {
      WriteAccuracies(ctx, positions, 0, view_.channels, top_k, ranked, counts,
                      top[1]->mutable_data<T>());
    }
    RecordBad(ctx, positions, label, ranked.bad);
  }

  ChannelView view_ = {};
  SavedForBackward memory_;
};

CREMA_REGISTER_LAYER("Accuracy", AccuracyLayer);

}  // namespace
}  // namespace crema
