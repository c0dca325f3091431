// SoftmaxWithLoss: the mean over positions of -log p, p being the softmax probability of the
// position's label.
#include "layers/shared/loss/softmax_loss.h"

#include <cfloat>

#include "crema.pb.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

// As in Caffe a probability counts as no less than FLT_MIN.
template <class T>
void SoftmaxLosses(const Context& ctx, const ChannelView& view, const LabelRule& rule, const T* x,
                   const T* label, const SoftmaxSums<T>& saved, const PositionLosses<T>& losses) {
  const T* max = saved.max;
  const T* sum = saved.sum;
  const int channels = view.channels;
  const int inner = view.inner;
  const T worst = -std::log(T(FLT_MIN));
  ForEach(ctx, view.outer, inner, [=] HD(int64_t r, int c) {
    const int64_t position = r * inner + c;
    const int k = ReadLabel(label[position], rule);
    const int64_t at = (r * channels + (k < 0 ? 0 : k)) * inner + c;
    const T loss = std::log(sum[position]) - (x[at] - max[position]);
    losses.loss[position] = k < 0 ? T(0) : loss > worst ? worst : loss;
    losses.counted[position] = k < 0 ? T(0) : T(1);
    losses.bad[position] = k == kBadLabel ? T(1) : T(0);
  });
}

// dx = (p - [this is the label's score]) * loss weight / normaliser, 0 if the label is ignored.
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
    const T probability = std::exp(x[i] - saved.max[position]) / saved.sum[position];
    const T slope = probability - (k == channel ? T(1) : T(0));
    dx[i] = k < 0 ? T(0) : slope * (weight[0] / normalizer[0]);
  });
}

class SoftmaxWithLossLayer : public SoftmaxLossLayer<SoftmaxWithLossLayer> {
 public:
  using SoftmaxLossLayer::SoftmaxLossLayer;

  LayerPlan Plan(const PlanInput& input) override {
    CheckOrder(input);
    const Shape& scores = input.shape(0);
    LayerPlan plan;
    PlanScores(input, scores.CanonicalAxis(config().softmax_param().axis(), Title() + ": axis"),
               &plan);
    if (view().channels == 0) {
      Fail("the scores have no classes: their shape is ", scores.ToString());
    }
    return plan;
  }

  template <class T>
  void RunLosses(Context& ctx, const BlobList& bottom, const SavedForBackward::Pieces& memory,
                 const PositionLosses<T>& losses) {
    SoftmaxLosses(ctx, view(), rule(), bottom[0]->data<T>(), bottom[1]->data<T>(), Sums<T>(memory),
                  losses);
  }

  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const BlobList& bottom, int) {
    const SavedForBackward::Pieces memory = saved().Saved(states());
    SoftmaxLossBackward<T>(ctx, view(), rule(), Sums<T>(memory), memory.at<T>(kNormalizer),
                           *bottom[0], *bottom[1], *top[0]);
  }
};

CREMA_REGISTER_LAYER("SoftmaxWithLoss", SoftmaxWithLossLayer);

}  // namespace
}  // namespace crema
