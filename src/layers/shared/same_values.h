// Layers whose top holds the bottom's values, in their order, under another shape.
#pragma once

#include <vector>

#include "crema/dev/layer.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

class SameValuesLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::View();
    traits.tops_share_bottom_diff = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan;
    plan.tops = {TensorSpec(ShapeOfTop(input.shape(0)), input.bottoms[0].dtype)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CopyUnlessShared(ctx, bottom[0]->data_tensor(), top[0]->data_tensor());
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (propagate_down[0]) CopyUnlessShared(ctx, top[0]->diff_tensor(), bottom[0]->diff_tensor());
  }

 protected:
  // Of as many values. Throws Error if the bottom's shape does not allow it.
  virtual Shape ShapeOfTop(const Shape& bottom) const = 0;

 private:
  static void CopyUnlessShared(Context& ctx, const Tensor& from, const Tensor& to) {
    if (to.raw() != from.raw()) ctx.device().Copy(to.raw(), from.raw(), from.bytes());
  }
};

}  // namespace CREMA_TARGET
}  // namespace crema
