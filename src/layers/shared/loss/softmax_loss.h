// The base of SoftmaxWithLoss and InfogainLoss: losses of the softmax over the classes of each
// position. The probabilities are not kept: Backward makes them from the scores and each position's
// largest score and sum.
#pragma once

#include "crema.pb.h"
#include "layers/shared/loss/loss_layer.h"
#include "layers/shared/normalization/softmax.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
inline namespace CREMA_TARGET {

// One number a position.
template <class T>
struct PositionLosses {
  T* loss;     // 0 if the label does not count
  T* counted;  // 1 if the label counts, else 0
  T* bad;      // 1 if it is out of range, else 0
};

// `Loss`, which derives from it, has RunBackward (see LossLayer) and
//
//   template <class T>  // writes all of `losses`
//   void RunLosses(Context& ctx, const BlobList& bottom, const SavedForBackward::Pieces& memory,
//                  const PositionLosses<T>& losses);
//
// `memory` holds the softmax (see Sums) and what the loss has asked for. Top 1, if there is one,
// gets the probabilities.
template <class Loss>
class SoftmaxLossLayer : public LossLayer<Loss, LabelledLayer> {
 public:
  SoftmaxLossLayer(const proto::LayerParameter& config, Phase phase)
      : LossLayer<Loss, LabelledLayer>(config, phase),
        normalization_(NormalizationOf(config.loss_param(), proto::LossParameter::VALID)) {
    this->rule() = LabelRuleOf(config.loss_param());
  }

  LayerTraits traits() const override {
    LayerTraits traits = LossLayer<Loss, LabelledLayer>::traits();
    traits.max_tops = 2;
    return traits;
  }

  template <class T>
  void RunForward(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const int positions = Positions();
    const T* x = bottom[0]->data<T>();
    const SavedForBackward::Pieces memory = saved_.Open(ctx, this->states());
    const SoftmaxSums<T> sums = Sums<T>(memory);
    T* rows = memory.at<T>(kLosses);
    const PositionLosses<T> losses = {rows, rows + positions,
                                      rows + 2 * static_cast<int64_t>(positions)};
    MaximaAndSums(ctx, view_, x, sums);
    static_cast<Loss*>(this)->template RunLosses<T>(ctx, bottom, memory, losses);
    SumLosses<T>(ctx, positions, FixedNormalizer(normalization_, view_.outer, view_.inner),
                 Element<T>{losses.loss}, Element<T>{losses.counted}, memory.at<T>(kNormalizer),
                 top[0]->mutable_data<T>());
    this->RecordBad(ctx, positions, bottom[1]->data<T>(), losses.bad);
    if (top.size() > 1) Probabilities(ctx, view_, x, sums, top[1]->mutable_data<T>());
  }

 protected:
  // Pieces of `memory`; what the loss asks for itself counts on from kOwn.
  static constexpr int kMaxima = 0, kSums = 1, kNormalizer = 2, kLosses = 3, kOwn = 4;

  // Adds tops, states and scratch memory for scores whose classes are on `axis`; throws Error if
  // the labels do not fit.
  void PlanScores(const PlanInput& input, int axis, LayerPlan* plan) {
    const Shape& scores = input.shape(0);
    view_ = ViewChannels(scores, Layout::kPlain, axis);
    this->CheckLabels(scores, input.shape(1), axis, view_.outer * view_.inner, axis > 0);
    plan->tops = {Shape{}};
    if (this->config().top_size() > 1) plan->tops.push_back(scores);
    const Shape positions{view_.outer * view_.inner};
    saved_.Begin(input);
    saved_.Save(positions, plan);
    saved_.Save(positions, plan);
    saved_.Save(Shape{}, plan);
    saved_.Use(Shape{3, positions[0]}, plan);
    this->PlanLabels(view_.channels, &plan->state);
  }

  // The scores as positions x classes.
  const ChannelView& view() const { return view_; }
  int Positions() const { return static_cast<int>(view_.outer * view_.inner); }

  // In Plan, for pieces of the loss's own, after PlanScores; in RunBackward, for all that was
  // saved.
  SavedForBackward& saved() { return saved_; }

  template <class T>
  static SoftmaxSums<T> Sums(const SavedForBackward::Pieces& memory) {
    return {memory.at<T>(kMaxima), memory.at<T>(kSums)};
  }

 private:
  SavedForBackward saved_;
  LossNormalization normalization_;
  ChannelView view_ = {};
};

}  // namespace CREMA_TARGET
}  // namespace crema
