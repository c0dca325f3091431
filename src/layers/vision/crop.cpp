// Crop: cuts the first bottom to the size of the second from `axis` on, beginning at the offsets.
#include "base/checked.h"
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

constexpr int kMaxAxes = 32;

// The rows (of the last axis) of the top, and where in the bottom they are.
struct CropPlan {
  int64_t axes = 0;               // all but the last
  int64_t extent[kMaxAxes] = {};  // of the top
  int64_t stride[kMaxAxes] = {};  // of the bottom
  int64_t first = 0;              // offset of the first value in the bottom
  int64_t rows = 0;
  int64_t cols = 0;

  HD int64_t RowInBottom(int64_t row) const {
    int64_t at = first;
    for (int64_t a = axes - 1; a >= 0; --a) {
      at += row % extent[a] * stride[a];
      row /= extent[a];
    }
    return at;
  }
};

template <class T>
void CropForward(const Context& ctx, const CropPlan& plan, const T* x, T* y) {
  const int64_t cols = plan.cols;
  ForEach(ctx, plan.rows, static_cast<int>(cols),
          [=] HD(int64_t r, int c) { y[r * cols + c] = x[plan.RowInBottom(r) + c]; });
}

template <class T>
void CropBackward(const Context& ctx, const CropPlan& plan, const T* dy, T* dx) {
  const int64_t cols = plan.cols;
  ForEach(ctx, plan.rows, static_cast<int>(cols),
          [=] HD(int64_t r, int c) { dx[plan.RowInBottom(r) + c] = dy[r * cols + c]; });
}

class CropLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::WithoutValues();
    traits.min_bottoms = traits.max_bottoms = 2;
    traits.zero_gradient_bottoms = {1};  // only its shape counts
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& in = input.shape(0);
    const proto::CropParameter& param = config().crop_param();
    const int axis = in.CanonicalAxis(param.axis(), Title() + ": axis");
    if (param.offset_size() > 1 && axis + param.offset_size() != in.rank()) {
      Fail("has ", param.offset_size(), " offsets, but its bottom ", in.ToString(), " has ",
           in.rank() - axis, " axes from axis ", axis,
           " onwards; give one per axis, one for all, or none");
    }
    if (input.shape(1).rank() < in.rank()) {  // as in Caffe, it may have more
      Fail("bottom 0 has shape ", in.ToString(), " and bottom 1 has shape ",
           input.shape(1).ToString(), "; bottom 1 must have at least as many axes");
    }
    std::vector<int64_t> offsets(in.rank(), 0);
    Shape out = in;
    for (int a = axis; a < in.rank(); ++a) {
      const int i = param.offset_size() == 1 ? 0 : a - axis;
      offsets[a] = param.offset_size() == 0 ? 0 : param.offset(i);
      out.at(a) = input.shape(1)[a];
      if (offsets[a] + out[a] <= in[a]) continue;
      Fail("along axis ", a, " its bottom ", in.ToString(), " is too short to crop ", out[a],
           " values at offset ", offsets[a]);
    }
    PlanRows(in, out, offsets);
    LayerPlan plan;
    plan.tops = {out};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(
        top[0]->dtype(), T,
        CropForward<T>(ctx, plan_, bottom[0]->data<T>(), top[0]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    const Tensor& gradient = bottom[0]->diff_tensor();
    ctx.device().Zero(gradient.raw(), gradient.bytes());
    CREMA_FLOAT_DISPATCH(
        top[0]->dtype(), T,
        CropBackward<T>(ctx, plan_, top[0]->diff<T>(), bottom[0]->mutable_diff<T>()));
  }

 private:
  void PlanRows(const Shape& in, const Shape& out, const std::vector<int64_t>& offsets) {
    plan_ = CropPlan();
    const int last = in.rank() - 1;
    plan_.axes = last;
    plan_.rows = out.Count(0, last);
    plan_.cols =
        CheckedInt(out[last], Concat(Title(), ": the extent of its top along axis ", last));
    for (int a = 0; a <= last; ++a) {
      plan_.extent[a] = out[a];
      plan_.stride[a] = in.CountFrom(a + 1);
      plan_.first += offsets[a] * plan_.stride[a];
    }
  }

  CropPlan plan_;
};

CREMA_REGISTER_LAYER("Crop", CropLayer);

}  // namespace
}  // namespace crema
