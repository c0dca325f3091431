// The bases of loss layers: one number that is to become small as top 0, made of scores and of
// labels or targets. A loss says what its kernels compute; how often they are called, for which
// number type and for which bottom, is the same for all.
#pragma once

#include <type_traits>
#include <vector>

#include "crema.pb.h"
#include "layers/shared/loss/loss_labels.h"
#include "layers/shared/loss/loss_total.h"

namespace crema {
inline namespace CREMA_TARGET {

// `Base` is Layer, or LabelledLayer for class labels. `Loss`, which derives from it, has
//
//   template <class T>
//   void RunForward(Context& ctx, const BlobList& bottom, const BlobList& top);
//   template <class T>  // writes the gradient of bottom b
//   void RunBackward(Context& ctx, const BlobList& top, const BlobList& bottom, int b);
//
// for values of type T. Both are called as Forward and Backward are.
template <class Loss, class Base>
class LossLayer : public Base {
 public:
  using Base::Base;

  // Gradients are for the bottoms before this one. The others are labels or targets.
  static constexpr int kLearnedBottoms = 1;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Loss(2);
    for (int b = Loss::kLearnedBottoms; b < traits.max_bottoms; ++b) {
      traits.no_gradient_bottoms.push_back(b);
    }
    return traits;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if constexpr (std::is_base_of_v<LabelledLayer, Base>) this->PrepareLabelCheck(ctx);
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, self().template RunForward<T>(ctx, bottom, top));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    for (int b = 0; b < Loss::kLearnedBottoms; ++b) {
      if (!propagate_down[b]) continue;
      CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                           self().template RunBackward<T>(ctx, top, bottom, b));
    }
  }

 protected:
  // The plan of a loss over `items`, which is what it is divided by, made of `values` values.
  // Throws Error if they are too many.
  LayerPlan PlanLoss(int64_t items, int64_t values) {
    CheckLossCount(this->Title(), values);
    items_ = items;
    LayerPlan plan;
    plan.tops = {Shape{}};
    return plan;
  }

  int64_t items() const { return items_; }  // of the last plan

  // What a loss that is divided by the batch size is multiplied with. An empty batch has no loss.
  double OneOverItems() const { return items_ == 0 ? 0 : 1.0 / static_cast<double>(items_); }

 private:
  Loss& self() { return static_cast<Loss&>(*this); }

  int64_t items_ = 0;
};

// The loss of pairs of vectors: item n of bottom 0 and item n of bottom 1, both of which may learn.
template <class Loss>
class PairLossLayer : public LossLayer<Loss, Layer> {
 public:
  using LossLayer<Loss, Layer>::LossLayer;

  static constexpr int kLearnedBottoms = 2;

 protected:
  // The plan, if there are as many items in both bottoms and as many values in an item; throws
  // Error otherwise.
  LayerPlan PlanPairs(const PlanInput& input) {
    const Shape& a = input.shape(0);
    const Shape& b = input.shape(1);
    if (a.rank() < 1 || b.rank() < 1 || a[0] != b[0] || a.CountFrom(1) != b.CountFrom(1)) {
      this->Fail("bottom 0 has shape ", a.ToString(), " and bottom 1 has shape ", b.ToString(),
                 "; they must have the same number of items (axis 0) and of values per item");
    }
    return this->PlanLoss(a[0], a.count());
  }

  // What the gradient of bottom b has of that of the difference bottom 0 - bottom 1, for one item
  // of the batch.
  double GradientScale(int b) const {
    return b == 0 ? this->OneOverItems() : -this->OneOverItems();
  }
};

}  // namespace CREMA_TARGET
}  // namespace crema
