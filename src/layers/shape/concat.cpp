// Concat: joins its bottoms end to end along one axis. Where a bottom came through a ReLU, which
// the layer before has left to this one, its gradient goes through it, too.
#include <algorithm>
#include <limits>
#include <vector>

#include "base/checked.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/fusible.h"
#include "crema/dev/registry.h"
#include "layers/shared/shape/copy_block.h"

namespace crema {
namespace {

template <class T>
void ConcatForward(const Context& ctx, const BlobList& bottoms, const Blob& top, int axis) {
  const int64_t rows = ViewChannels(top.shape(), top.layout(), axis).outer;
  const int64_t stride = RowLength(top, axis);
  T* out = top.mutable_data<T>();
  for (const Blob* bottom : bottoms) {
    const int64_t cols = RowLength(*bottom, axis);
    if (bottom->data<T>() != out) {
      CopyBlock<T>(ctx, rows, static_cast<int>(cols), bottom->data<T>(), cols, out, stride);
    }
    out += cols;
  }
}

// Rows of y and dy begin a stride apart; those of dx follow each other.
template <class T>
void ReluBlock(const Context& ctx, int64_t rows, int cols, const T* y, const T* dy, int64_t stride,
               float negative_slope, T* dx) {
  const T slope = negative_slope;
  const int64_t length = cols;
  ForEach(ctx, rows, cols, [=] HD(int64_t r, int c) {
    const T gradient = dy[r * stride + c];
    dx[r * length + c] = y[r * stride + c] > 0 ? gradient : gradient * slope;
  });
}

// `slopes` has one a bottom: of its ReLU, or 1.
template <class T>
void ConcatBackward(const Context& ctx, const BlobList& bottoms, const Blob& top, int axis,
                    const std::vector<bool>& propagate_down, const std::vector<float>& slopes) {
  const int64_t rows = ViewChannels(top.shape(), top.layout(), axis).outer;
  const int64_t stride = RowLength(top, axis);
  int64_t first = 0;
  for (size_t b = 0; b < bottoms.size(); ++b) {
    const int64_t cols = RowLength(*bottoms[b], axis);
    const T* dy = top.diff<T>() + first;
    if (propagate_down[b] && slopes[b] != 1) {
      ReluBlock<T>(ctx, rows, static_cast<int>(cols), top.data<T>() + first, dy, stride, slopes[b],
                   bottoms[b]->mutable_diff<T>());
    } else if (propagate_down[b] && bottoms[b]->diff<T>() != dy) {
      CopyBlock<T>(ctx, rows, static_cast<int>(cols), dy, stride, bottoms[b]->mutable_diff<T>(),
                   cols);
    }
    first += cols;
  }
}

class ConcatLayer : public Layer, public TakesReluBackward {
 public:
  ConcatLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::ConcatParameter& param = config.concat_param();
    if (param.has_axis() && param.has_concat_dim()) {
      Fail("sets both axis and its old name concat_dim; remove concat_dim");
    }
    // An unsigned number that is negative as an int was a negative axis in the file.
    CheckRange(Title() + ": concat_dim", param.concat_dim(), 0, std::numeric_limits<int>::max(),
               "to count from the end, use axis");
    slopes_.assign(static_cast<size_t>(config.bottom_size()), 1.0f);
    requested_axis_ = param.has_concat_dim() ? static_cast<int>(param.concat_dim()) : param.axis();
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::PerSample();
    traits.max_bottoms = -1;
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_top_data =
        std::any_of(slopes_.begin(), slopes_.end(), [](float slope) { return slope != 1; });
    traits.backward_needs_only_signs = true;
    traits.accepts_channels_last = requested_axis_ == 1;
    traits.tops_share_bottom_data = traits.tops_share_bottom_diff = config().bottom_size() == 1;
    traits.is_per_sample = requested_axis_ > 0;
    return traits;
  }

  bool TryTakeReluBackward(int b, float slope) override {
    slopes_[static_cast<size_t>(b)] = slope;
    return true;
  }

  LayerPlan Plan(const PlanInput& input) override {
    axis_ = input.shape(0).CanonicalAxis(requested_axis_, Title() + ": axis");
    std::vector<int64_t> dims = input.shape(0).dims();
    for (size_t b = 1; b < input.bottoms.size(); ++b) {
      CheckFits(input.shape(0), input.shape(b), b);
      dims[axis_] = CheckedSum(dims[axis_], input.shape(b)[axis_], Title() + ": the result");
    }
    const Shape result(dims);
    CheckRange(Concat(Title(), ": the number of values of the result, ", result.ToString(),
                      ", from axis ", axis_, " onwards"),
               result.CountFrom(axis_), 0, std::numeric_limits<int>::max());
    LayerPlan plan;
    plan.tops = {result};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, ConcatForward<T>(ctx, bottom, *top[0], axis_));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         ConcatBackward<T>(ctx, bottom, *top[0], axis_, propagate_down, slopes_));
  }

 private:
  void CheckFits(const Shape& first, const Shape& other, size_t index) const {
    bool fits = first.rank() == other.rank();
    for (int a = 0; fits && a < first.rank(); ++a) {
      fits = a == axis_ || first[a] == other[a];
    }
    if (fits) return;
    Fail("bottom 0 has shape ", first.ToString(), " and bottom ", index, " has shape ",
         other.ToString(), "; they may differ only along axis ", axis_);
  }

  std::vector<float> slopes_;
  int requested_axis_ = 1;
  int axis_ = 1;
};

CREMA_REGISTER_LAYER("Concat", ConcatLayer);

}  // namespace
}  // namespace crema
