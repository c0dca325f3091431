// HingeLoss: for each score s, max(0, 1 - s) for the label's class and max(0, 1 + s) for the
// others, summed as it is (L1) or squared (L2), divided by the batch size.
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/loss/loss_layer.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

// The margin that score i misses, for items of `classes` scores; 0 if the label is bad.
template <class T>
struct HingeMargin {
  const T* score;
  const T* label;
  LabelRule rule;

  HD T Sign(int64_t item, int c) const { return ReadLabel(label[item], rule) == c ? T(-1) : T(1); }
  HD T operator()(int64_t item, int c) const {
    if (ReadLabel(label[item], rule) == kBadLabel) return 0;
    const T margin = 1 + Sign(item, c) * score[item * rule.classes + c];
    return margin > 0 ? margin : T(0);
  }
};

template <class T>
void HingeForward(const Context& ctx, int items, const HingeMargin<T>& margin, bool squared,
                  double factor, T* item_loss, T* loss) {
  ReduceRows<SumOp, T>(
      ctx, items, margin.rule.classes,
      [=] HD(int64_t n, int c) {
        const T m = margin(n, c);
        return squared ? m * m : m;
      },
      [=] HD(int64_t n, T total) { item_loss[n] = total; });
  SumLosses<T>(ctx, items, factor, Element<T>{item_loss}, loss);
}

template <class T>
void HingeBackward(const Context& ctx, int items, const HingeMargin<T>& margin, bool squared,
                   double factor, const T* weight, T* gradient) {
  const T f = static_cast<T>(factor);
  const int classes = margin.rule.classes;
  ForEach(ctx, items, classes, [=] HD(int64_t n, int c) {
    const T m = margin(n, c);
    const T slope = squared ? 2 * m : static_cast<T>(m > 0);
    gradient[n * classes + c] = f * weight[0] * margin.Sign(n, c) * slope;
  });
}

class HingeLossLayer : public LossLayer<HingeLossLayer, LabelledLayer> {
 public:
  using LossLayer::LossLayer;

  LayerPlan Plan(const PlanInput& input) override {
    CheckOrder(input);
    const Shape& scores = input.shape(0);
    if (scores.rank() == 0) Fail("its scores are a scalar, but must be N x classes");
    CheckLabels(scores, input.shape(1), 1, scores[0], true);
    LayerPlan plan = PlanLoss(scores[0], scores.count());
    memory_.Begin(input);
    memory_.Use(Shape{items()}, &plan);
    memory_.Use(Shape{items()}, &plan);
    PlanLabels(static_cast<int>(scores.CountFrom(1)), &plan.state);
    return plan;
  }

  template <class T>
  void RunForward(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const T* label = bottom[1]->data<T>();
    const SavedForBackward::Pieces memory = memory_.Open(ctx, states());
    T* bad = memory.at<T>(0);
    MarkBadLabels(ctx, labels(), label, rule(), bad);
    RecordBad(ctx, labels(), label, bad);
    HingeForward<T>(ctx, labels(), Margin<T>(bottom), squared(), OneOverItems(), memory.at<T>(1),
                    top[0]->mutable_data<T>());
  }

  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const BlobList& bottom, int) {
    HingeBackward<T>(ctx, labels(), Margin<T>(bottom), squared(), OneOverItems(), top[0]->diff<T>(),
                     bottom[0]->mutable_diff<T>());
  }

 private:
  int labels() const { return static_cast<int>(items()); }  // one an item
  bool squared() const {
    return config().hinge_loss_param().norm() == proto::HingeLossParameter::L2;
  }
  template <class T>
  HingeMargin<T> Margin(const BlobList& bottom) const {
    return {bottom[0]->data<T>(), bottom[1]->data<T>(), rule()};
  }

  SavedForBackward memory_;
};

CREMA_REGISTER_LAYER("HingeLoss", HingeLossLayer);

}  // namespace
}  // namespace crema
