// MultinomialLogisticLoss: the mean over the batch of -log p, p being the probability that the
// bottom gives to the label's class. See SoftmaxWithLoss for one that makes the probabilities, too.
#include <cmath>

#include "base/checked.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/loss/loss_layer.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

// Probabilities count as no less than this, as in Caffe.
constexpr double kLeastProbability = 1e-20;

template <class T>
HD T AtLeast(T probability) {
  return probability > T(kLeastProbability) ? probability : T(kLeastProbability);
}

template <class T>
void LossOfItems(const Context& ctx, int items, const LabelRule& rule, const T* probability,
                 const T* label, T* loss, T* bad) {
  ForEach(ctx, items, [=] HD(int64_t n) {
    const int k = ReadLabel(label[n], rule);
    bad[n] = static_cast<T>(k == kBadLabel);
    loss[n] = k < 0 ? T(0) : -std::log(AtLeast(probability[n * rule.classes + k]));
  });
}

template <class T>
void LogisticBackward(const Context& ctx, int items, const LabelRule& rule, const T* probability,
                      const T* label, double factor, const T* weight, T* gradient) {
  const T f = static_cast<T>(-factor);
  const int classes = rule.classes;
  ForEach(ctx, items, classes, [=] HD(int64_t n, int c) {
    const int64_t i = n * classes + c;
    const bool counts = ReadLabel(label[n], rule) == c;
    gradient[i] = counts ? f * weight[0] / AtLeast(probability[i]) : T(0);
  });
}

class MultinomialLogisticLossLayer : public LossLayer<MultinomialLogisticLossLayer, LabelledLayer> {
 public:
  using LossLayer::LossLayer;

  LayerPlan Plan(const PlanInput& input) override {
    CheckOrder(input);
    const Shape& scores = input.shape(0);
    if (scores.rank() == 0) Fail("its probabilities are a scalar, but must be N x classes");
    CheckLabels(scores, input.shape(1), 1, scores[0], true);
    LayerPlan plan = PlanLoss(scores[0], scores[0]);
    memory_.Begin(input);
    memory_.Use(Shape{items()}, &plan);
    memory_.Use(Shape{items()}, &plan);
    PlanLabels(CheckedInt(scores.CountFrom(1), Title() + ": the number of classes"), &plan.state);
    return plan;
  }

  template <class T>
  void RunForward(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const T* label = bottom[1]->data<T>();
    const SavedForBackward::Pieces memory = memory_.Open(ctx, states());
    T* bad = memory.at<T>(0);
    T* loss = memory.at<T>(1);
    LossOfItems(ctx, labels(), rule(), bottom[0]->data<T>(), label, loss, bad);
    RecordBad(ctx, labels(), label, bad);
    SumLosses<T>(ctx, labels(), OneOverItems(), Element<T>{loss}, top[0]->mutable_data<T>());
  }

  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const BlobList& bottom, int) {
    LogisticBackward<T>(ctx, labels(), rule(), bottom[0]->data<T>(), bottom[1]->data<T>(),
                        OneOverItems(), top[0]->diff<T>(), bottom[0]->mutable_diff<T>());
  }

 private:
  int labels() const { return static_cast<int>(items()); }  // one an item
  SavedForBackward memory_;
};

CREMA_REGISTER_LAYER("MultinomialLogisticLoss", MultinomialLogisticLossLayer);

}  // namespace
}  // namespace crema
