// ArgMax: the indices of the top_k largest values, largest first, along an axis or, without one, of
// each item; or the values themselves, or both. Of equal values the one with the highest index
// comes first.
#include <limits>

#include "base/checked.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"
#include "crema/layout.h"

namespace crema {
namespace {

// Where the results go: result j of (outer, inner) at (outer * stride + j) * inner extent + inner,
// values `value_offset` behind the indices if both are asked for.
struct ArgMaxOutput {
  int32_t top_k;
  int32_t stride;
  int32_t values_only;
  int32_t value_offset;  // 0: not both
};

// The j-th largest is the largest of those that come behind the (j-1)-th in the order.
template <class T>
void ArgMaxForward(const Context& ctx, const ChannelView& view, const ArgMaxOutput& out, const T* x,
                   T* y) {
  const int channels = view.channels;
  const int inner = view.inner;
  ForEach(ctx, view.outer, inner, [=] HD(int64_t o, int i) {
    T last = std::numeric_limits<T>::infinity();
    int last_at = channels;
    for (int j = 0; j < out.top_k; ++j) {
      T best = -std::numeric_limits<T>::infinity();
      int best_at = -1;
      for (int c = 0; c < channels; ++c) {
        const T v = x[(o * channels + c) * inner + i];
        const bool is_left = v < last || (v == last && c < last_at);
        if (is_left && v >= best) {
          best = v;
          best_at = c;
        }
      }
      const int64_t at = (o * out.stride + j) * inner + i;
      y[at] = out.values_only != 0 ? best : static_cast<T>(best_at);
      if (out.value_offset > 0) y[at + out.value_offset] = best;
      last = best;
      last_at = best_at;
    }
  });
}

class ArgMaxLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.has_backward = false;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    const proto::ArgMaxParameter& param = config().argmax_param();
    if (x.rank() == 0) Fail("its bottom is a scalar, but must have at least one axis");
    const int axis = param.has_axis() ? x.CanonicalAxis(param.axis(), Title() + ": axis") : 1;
    const Shape seen = param.has_axis() ? x : Shape{x[0], x.CountFrom(1)};
    view_ = ViewChannels(seen, Layout::kPlain, axis);
    CheckRange(Title() + ": top_k", param.top_k(), 1, view_.channels,
               "the maximum is the number of values to choose from");
    const int top_k = static_cast<int>(param.top_k());
    std::vector<int64_t> dims = x.dims();
    if (param.has_axis()) {
      dims[axis] = top_k;
      out_ = {top_k, top_k, param.out_max_val() ? 1 : 0, 0};
    } else {
      const bool both = param.out_max_val();
      dims.assign(std::max(3, x.rank()), 1);
      dims[0] = x[0];
      dims[1] = both ? 2 : 1;
      dims[2] = top_k;
      const int each = CheckedInt(both ? 2 * int64_t{top_k} : top_k, Title() + ": twice top_k");
      out_ = {top_k, each, 0, both ? top_k : 0};
    }
    LayerPlan plan;
    plan.tops = {Shape(dims)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(
        top[0]->dtype(), T,
        ArgMaxForward<T>(ctx, view_, out_, bottom[0]->data<T>(), top[0]->mutable_data<T>()));
  }

 private:
  ChannelView view_ = {};
  ArgMaxOutput out_ = {};
};

CREMA_REGISTER_LAYER("ArgMax", ArgMaxLayer);

}  // namespace
}  // namespace crema
