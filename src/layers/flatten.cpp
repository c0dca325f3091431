// Flatten: the bottom's values with the axes from `axis` to `end_axis` joined into one.
#include "crema.pb.h"
#include "crema/layer/registry.h"

namespace crema {
namespace {

void CopyUnlessShared(Context& ctx, const Tensor& from, const Tensor& to) {
  if (to.raw() != from.raw()) ctx.device().Copy(to.raw(), from.raw(), from.bytes());
}

class FlattenLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_top_data = false;
    traits.tops_share_bottom_data = true;
    traits.tops_share_bottom_diff = true;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    const Shape& in = bottoms[0];
    const int first = in.CanonicalAxis(config().flatten_param().axis(), Title() + ": axis");
    const int last = in.CanonicalAxis(config().flatten_param().end_axis(), Title() + ": end_axis");
    // end_axis = axis - 1 joins no axes: Caffe then puts in an axis of 1, and so do we.
    if (first > last + 1) {
      Fail("axis is ", first, " and end_axis is ", last, " for the shape ", in.ToString(),
           "; end_axis must not come before axis");
    }
    std::vector<int64_t> dims(in.dims().begin(), in.dims().begin() + first);
    dims.push_back(in.Count(first, last + 1));
    dims.insert(dims.end(), in.dims().begin() + last + 1, in.dims().end());
    LayerPlan plan;
    plan.tops = {Shape(dims)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CopyUnlessShared(ctx, bottom[0]->data_tensor(), top[0]->data_tensor());
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (propagate_down[0]) CopyUnlessShared(ctx, top[0]->diff_tensor(), bottom[0]->diff_tensor());
  }
};

CREMA_REGISTER_LAYER("Flatten", FlattenLayer);

}  // namespace
}  // namespace crema
