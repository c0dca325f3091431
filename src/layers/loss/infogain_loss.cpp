// InfogainLoss: the mean over positions of -sum over classes c of H[label, c] log p[c], p being the
// softmax of the scores. H, classes x classes, comes from a file or is the third bottom; with the
// identity it is SoftmaxWithLoss.
#include <cmath>

#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/loss/softmax_loss.h"
#include "schema/weights_io.h"

namespace crema {
namespace {

// Probabilities count as no less than 1e-20, as in Caffe.
template <class T>
void InfogainLosses(const Context& ctx, const ChannelView& view, const LabelRule& rule, const T* x,
                    const T* label, const T* gain, const SoftmaxSums<T>& sums,
                    const PositionLosses<T>& losses) {
  const int channels = view.channels;
  const int inner = view.inner;
  const T worst = -std::log(T(1e-20));
  ForEach(ctx, view.outer, inner, [=] HD(int64_t r, int c) {
    const int64_t position = r * inner + c;
    const int k = ReadLabel(label[position], rule);
    T loss = 0;
    for (int j = 0; k >= 0 && j < channels; ++j) {
      const T score = x[(r * channels + j) * inner + c];
      const T cost = std::log(sums.sum[position]) - (score - sums.max[position]);
      loss += gain[static_cast<int64_t>(k) * channels + j] * (cost > worst ? worst : cost);
    }
    losses.loss[position] = loss;
    losses.counted[position] = static_cast<T>(k >= 0);
    losses.bad[position] = static_cast<T>(k == kBadLabel);
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
    const T probability = std::exp(x[i] - sums.max[position]) / sums.sum[position];
    const T slope = probability * row_sum[row] - gain[row * channels + channel];
    dx[i] = k < 0 ? T(0) : slope * (weight[0] / normalizer[0]);
  });
}

class InfogainLossLayer : public SoftmaxLossLayer<InfogainLossLayer> {
 public:
  InfogainLossLayer(const proto::LayerParameter& config, Phase phase)
      : SoftmaxLossLayer(config, phase) {
    if (config.bottom_size() >= 3) return;
    const std::string& source = config.infogain_loss_param().source();
    if (source.empty()) {
      Fail("has no matrix H; set infogain_loss_param { source } or add a third bottom");
    }
    matrix_ = ReadMeanFile(source).data;
  }

  LayerTraits traits() const override {
    LayerTraits traits = SoftmaxLossLayer::traits();
    traits.max_bottoms = 3;
    traits.no_gradient_bottoms = {1, 2};
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    CheckOrder(input);
    const Shape& scores = input.shape(0);
    const int axis =
        scores.CanonicalAxis(config().infogain_loss_param().axis(), Title() + ": axis");
    LayerPlan plan;
    plan.state = {TensorSpec(Shape{static_cast<int64_t>(matrix_.size())})};  // see Start
    PlanScores(input, axis, &plan);
    CheckMatrix(input.Shapes(), view().channels);
    saved().Save(Shape{view().channels}, &plan);
    return plan;
  }

  void Start(Context&) override { state(0).FromHost(matrix_); }

  template <class T>
  void RunLosses(Context& ctx, const BlobList& bottom, const SavedForBackward::Pieces& memory,
                 const PositionLosses<T>& losses) {
    SumRows(ctx, view().channels, Gain<T>(bottom), memory.at<T>(kRowSums));
    InfogainLosses(ctx, view(), rule(), bottom[0]->data<T>(), bottom[1]->data<T>(), Gain<T>(bottom),
                   Sums<T>(memory), losses);
  }

  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const BlobList& bottom, int) {
    const SavedForBackward::Pieces memory = saved().Saved(states());
    InfogainBackward<T>(ctx, view(), rule(), Sums<T>(memory), Gain<T>(bottom),
                        memory.at<T>(kRowSums), memory.at<T>(kNormalizer), *bottom[0],
                        bottom[1]->data<T>(), top[0]->diff<T>());
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

  template <class T>
  const T* Gain(const BlobList& bottom) const {
    return bottom.size() > 2 ? bottom[2]->data<T>() : state(0).data<T>();
  }

  static constexpr int kRowSums = kOwn;  // the sums of the rows of H

  std::vector<float> matrix_;  // empty if H is a bottom
};

CREMA_REGISTER_LAYER("InfogainLoss", InfogainLossLayer);

}  // namespace
}  // namespace crema
