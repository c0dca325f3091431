// Slice: cuts its bottom into its tops along one axis, at the given points or into equal parts.
#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/shape/copy_block.h"

namespace crema {
namespace {

template <class T>
void SliceForward(const Context& ctx, const Blob& bottom, const BlobList& tops, int axis) {
  const int64_t rows = ViewChannels(bottom.shape(), bottom.layout(), axis).outer;
  const int64_t stride = RowLength(bottom, axis);
  const T* in = bottom.data<T>();
  for (const Blob* top : tops) {
    const int64_t cols = RowLength(*top, axis);
    if (top->data<T>() != in) {
      CopyBlock<T>(ctx, rows, static_cast<int>(cols), in, stride, top->mutable_data<T>(), cols);
    }
    in += cols;
  }
}

// A top that nobody sends a gradient to gives 0.
template <class T>
void SliceBackward(const Context& ctx, const Blob& bottom, const BlobList& tops, int axis) {
  const int64_t rows = ViewChannels(bottom.shape(), bottom.layout(), axis).outer;
  const int64_t stride = RowLength(bottom, axis);
  T* dx = bottom.mutable_diff<T>();
  for (const Blob* top : tops) {
    const int64_t cols = RowLength(*top, axis);
    if (!top->has_diff()) {
      T* part = dx;
      ForEach(ctx, rows, static_cast<int>(cols),
              [=] HD(int64_t r, int c) { part[r * stride + c] = T(0); });
    } else if (top->diff<T>() != dx) {
      CopyBlock<T>(ctx, rows, static_cast<int>(cols), top->diff<T>(), cols, dx, stride);
    }
    dx += cols;
  }
}

class SliceLayer : public Layer {
 public:
  SliceLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::SliceParameter& param = config.slice_param();
    if (param.has_axis() && param.has_slice_dim()) {
      Fail("sets both axis and its old name slice_dim; remove slice_dim");
    }
    // An unsigned number that is negative as an int was a negative axis in the file.
    CheckRange(Title() + ": slice_dim", param.slice_dim(), 0, std::numeric_limits<int>::max(),
               "to count from the end, use axis");
    requested_axis_ = param.has_slice_dim() ? static_cast<int>(param.slice_dim()) : param.axis();
    const int points = param.slice_point_size();
    if (points != 0 && points != config.top_size() - 1) {
      Fail("has ", points, " slice_point for ", config.top_size(),
           " tops; give one fewer than there are tops, or none for equal parts");
    }
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::WithoutValues();
    traits.max_tops = -1;
    traits.accepts_channels_last = requested_axis_ == 1;
    traits.tops_share_bottom_data = traits.tops_share_bottom_diff = config().top_size() == 1;
    traits.is_per_sample = requested_axis_ > 0;
    traits.forward_is_reentrant = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    axis_ = x.CanonicalAxis(requested_axis_, Title() + ": axis");
    CheckRange(Concat(Title(), ": the number of values of its bottom, ", x.ToString(),
                      ", from axis ", axis_, " onwards"),
               x.CountFrom(axis_), 0, std::numeric_limits<int>::max());
    LayerPlan plan;
    for (int64_t extent : Extents(x)) {
      std::vector<int64_t> dims = x.dims();
      dims[axis_] = extent;
      plan.tops.push_back(Shape(dims));
    }
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, SliceForward<T>(ctx, *bottom[0], top, axis_));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, SliceBackward<T>(ctx, *bottom[0], top, axis_));
  }

 private:
  std::vector<int64_t> Extents(const Shape& x) const {
    const auto& points = config().slice_param().slice_point();
    const int tops = config().top_size();
    if (points.empty()) {
      if (x[axis_] % tops != 0) {
        Fail("its bottom ", x.ToString(), " has extent ", x[axis_], " along axis ", axis_,
             ", which cannot be divided into ", tops, " equal parts; set slice_point");
      }
      return std::vector<int64_t>(tops, x[axis_] / tops);
    }
    std::vector<int64_t> extents;
    int64_t last = 0;
    for (int64_t point : points) {
      extents.push_back(point - last);
      last = point;
    }
    extents.push_back(x[axis_] - last);
    for (int64_t extent : extents) {
      if (extent > 0) continue;
      Fail("slice_point must be ascending, above 0 and below ", x[axis_],
           ", the extent of its bottom ", x.ToString(), " along axis ", axis_);
    }
    return extents;
  }

  int requested_axis_ = 1;
  int axis_ = 1;
};

CREMA_REGISTER_LAYER("Slice", SliceLayer);

}  // namespace
}  // namespace crema
