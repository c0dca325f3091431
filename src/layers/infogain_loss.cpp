// InfogainLoss: the mean over positions of -sum over classes c of H[label, c] log p[c], p being the
// softmax of the scores. H, classes x classes, comes from a file or is the third bottom; with the
// identity it is SoftmaxWithLoss.
#include <cmath>

#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "layers/shared/loss_labels.h"
#include "layers/shared/loss_total.h"
#include "layers/shared/saved_for_backward.h"
#include "layers/shared/softmax.h"
#include "schema/weights_io.h"

namespace crema {
namespace {

// Losses, counted labels and bad labels, one a position.
template <class T>
struct Parts {
  T* loss;
  T* counted;
  T* bad;
};

// Probabilities count as no less than 1e-20, as in Caffe.
template <class T>
void InfogainParts(const Context& ctx, const ChannelView& view, const LabelRule& rule, const T* x,
                   const T* label, const T* gain, const SoftmaxSums<T>& sums,
                   const Parts<T>& parts) {
  const int channels = view.channels;
  const int inner = view.inner;
  const T worst = -std::log(T(1e-20));
  ForEach(ctx, view.outer, inner, [=] HD(int64_t r, int c) {
    const int64_t position = r * inner + c;
    const int k = ReadLabel(label[position], rule);
    T loss = 0;
    for (int j = 0; k >= 0 && j < channels; ++j) {
      const T score = x[(r * channels + j) * inner + c];
      const T cost = std::log(sums.sum[position]) - (score - sums.peak[position]);
      loss += gain[static_cast<int64_t>(k) * channels + j] * (cost > worst ? worst : cost);
    }
    parts.loss[position] = loss;
    parts.counted[position] = static_cast<T>(k >= 0);
    parts.bad[position] = static_cast<T>(k == kBadLabel);
  });
}

template <class T>
void SumRows(const Context& ctx, int classes, const T* gain, T* row_sum) {
  ReduceRows<SumOp, T>(
      ctx, classes, classes, [=] HD(int64_t r, int c) { return gain[r * classes + c]; },
      [=] HD(int64_t r, T total) { row_sum[r] = total; });
}

// dx[c] = (p[c] * sum of row H[label] - H[label, c]) * loss weight / normaliser.
template <class T>
void InfogainBackward(const Context& ctx, const ChannelView& view, const LabelRule& rule,
                      const SoftmaxSums<T>& sums, const T* gain, const T* row_sum,
                      const T* normalizer, const Blob& scores, const T* label, const T* weight) {
  const T* x = scores.data<T>();
  T* dx = scores.mutable_diff<T>();
  const int channels = view.channels;
  ForEachScore(ctx, view, [=] HD(int64_t i, int64_t position, int channel) {
    const int k = ReadLabel(label[position], rule);
    const int64_t row = k < 0 ? 0 : k;
    const T probability = std::exp(x[i] - sums.peak[position]) / sums.sum[position];
    const T slope = probability * row_sum[row] - gain[row * channels + channel];
    dx[i] = k < 0 ? T(0) : slope * (weight[0] / normalizer[0]);
  });
}

class InfogainLossLayer : public LabelledLayer {
 public:
  InfogainLossLayer(const proto::LayerParameter& config, Phase phase)
      : LabelledLayer(config, phase),
        normalization_(NormalizationOf(config.loss_param(), proto::LossParameter::VALID)) {
    rule().has_ignored = config.loss_param().has_ignore_label() ? 1 : 0;
    rule().ignored = config.loss_param().ignore_label();
    if (config.bottom_size() >= 3) return;
    const std::string& source = config.infogain_loss_param().source();
    if (source.empty()) {
      Fail("has no matrix H; set infogain_loss_param { source } or add a third bottom");
    }
    const SavedBlob saved = ReadMeanFile(source);
    matrix_ = saved.data;
    if (!saved.double_data.empty()) {
      matrix_.assign(saved.double_data.begin(), saved.double_data.end());
    }
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Loss(2);
    traits.max_bottoms = 3;
    traits.max_tops = 2;
    traits.no_gradient_bottoms = {1, 2};
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    CheckOrder(input);
    const Shape& scores = input.shape(0);
    const int axis =
        scores.CanonicalAxis(config().infogain_loss_param().axis(), Title() + ": axis");
    view_ = ViewChannels(scores, Layout::kPlain, axis);
    CheckLabels(scores, input.shape(1), axis, view_.outer * view_.inner, axis > 0);
    const int64_t classes = view_.channels;
    CheckMatrix(input.Shapes(), classes);
    LayerPlan plan;
    plan.tops = {Shape{}};
    if (config().top_size() > 1) plan.tops.push_back(scores);
    const int64_t positions = view_.outer * view_.inner;
    plan.state = {TensorSpec(Shape{static_cast<int64_t>(matrix_.size())})};
    saved_.Begin(input);
    saved_.Save(Shape{2, positions}, &plan);
    saved_.Save(Shape{}, &plan);
    saved_.Save(Shape{classes}, &plan);
    saved_.Use(Shape{3, positions}, &plan);
    PlanLabels(view_.channels, &plan.state);
    return plan;
  }

  void Start(Context&) override { state(0).FromHost(matrix_); }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    NewLabels(ctx);
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, Run<T>(ctx, bottom, top));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    const SavedForBackward::Pieces saved = saved_.Saved(states());
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         InfogainBackward<T>(ctx, view_, rule(), Sums<T>(saved), Gain<T>(bottom),
                                             saved.at<T>(kRowSums), saved.at<T>(kNormalizer),
                                             *bottom[0], bottom[1]->data<T>(), top[0]->diff<T>()));
  }

 private:
  void CheckMatrix(const std::vector<Shape>& bottoms, int64_t classes) const {
    const bool is_bottom = bottoms.size() > 2;
    const auto values = is_bottom ? bottoms[2].count() : static_cast<int64_t>(matrix_.size());
    if (values == classes * classes) return;
    Fail("the matrix H in ",
         is_bottom ? "its third bottom" : config().infogain_loss_param().source(), " has ", values,
         " values, expected ", classes * classes, " for ", classes, " classes");
  }

  int Positions() const { return static_cast<int>(view_.outer * view_.inner); }

  template <class T>
  SoftmaxSums<T> Sums(const SavedForBackward::Pieces& memory) const {
    T* rows = memory.at<T>(kSums);
    return {rows, rows + Positions()};
  }

  template <class T>
  const T* Gain(const BlobList& bottom) const {
    return bottom.size() > 2 ? bottom[2]->data<T>() : state(0).data<T>();
  }

  template <class T>
  void Run(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const T* x = bottom[0]->data<T>();
    const T* label = bottom[1]->data<T>();
    const SavedForBackward::Pieces memory = saved_.Open(ctx, states());
    const SoftmaxSums<T> sums = Sums<T>(memory);
    T* rows = memory.at<T>(kParts);
    const int64_t positions = Positions();
    const Parts<T> parts = {rows, rows + positions, rows + 2 * positions};
    PeaksAndSums(ctx, view_, x, sums);
    SumRows(ctx, view_.channels, Gain<T>(bottom), memory.at<T>(kRowSums));
    InfogainParts(ctx, view_, rule(), x, label, Gain<T>(bottom), sums, parts);
    SumLosses<T>(ctx, Positions(), FixedNormalizer(normalization_, view_.outer, view_.inner),
                 Element<T>{parts.loss}, Element<T>{parts.counted}, memory.at<T>(kNormalizer),
                 top[0]->mutable_data<T>());
    NoteBad(ctx, Positions(), label, parts.bad);
    if (top.size() > 1) Probabilities(ctx, view_, x, sums, top[1]->mutable_data<T>());
  }

  static constexpr int kSums = 0, kNormalizer = 1, kRowSums = 2, kParts = 3;  // pieces

  SavedForBackward saved_;
  LossNormalization normalization_;
  std::vector<float> matrix_;  // empty where H is a bottom
  ChannelView view_ = {};
};

CREMA_REGISTER_LAYER("InfogainLoss", InfogainLossLayer);

}  // namespace
}  // namespace crema
