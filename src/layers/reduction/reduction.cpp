// Reduction: the sum, the sum of absolute values or of squares, or the mean, of all values from
// `axis` on, times coeff.
#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/reduce.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

using Operation = proto::ReductionParameter::ReductionOp;

// The sizes, and what the sum is multiplied by.
struct Rows {
  int64_t count;
  int length;
  double factor;
};

template <class T, class F>
void ReduceTo(const Context& ctx, const Rows& rows, F term, T* y) {
  const double factor = rows.factor;
  ReduceRows<SumOp, double>(
      ctx, rows.count, rows.length,
      [=] HD(int64_t r, int c) { return static_cast<double>(term(r, c)); },
      [=] HD(int64_t r, double total) { y[r] = static_cast<T>(factor * total); });
}

template <class T>
void ReductionForward(const Context& ctx, Operation operation, const Rows& rows, const T* x, T* y) {
  const int length = rows.length;
  if (operation == proto::ReductionParameter::ASUM) {
    ReduceTo(
        ctx, rows,
        [=] HD(int64_t r, int c) {
          const T v = x[r * length + c];
          return v < 0 ? -v : v;
        },
        y);
  } else if (operation == proto::ReductionParameter::SUMSQ) {
    ReduceTo(
        ctx, rows, [=] HD(int64_t r, int c) { return x[r * length + c] * x[r * length + c]; }, y);
  } else {
    ReduceTo(
        ctx, rows, [=] HD(int64_t r, int c) { return x[r * length + c]; }, y);
  }
}

template <class T>
void ReductionBackward(const Context& ctx, Operation operation, const Rows& rows, const T* x,
                       const T* dy, T* dx) {
  const int length = rows.length;
  const T factor = static_cast<T>(rows.factor);
  const bool absolute = operation == proto::ReductionParameter::ASUM;
  const bool squared = operation == proto::ReductionParameter::SUMSQ;
  if (!absolute && !squared) {  // x may not be there any more
    ForEach(ctx, rows.count, length,
            [=] HD(int64_t r, int c) { dx[r * length + c] = factor * dy[r]; });
    return;
  }
  ForEach(ctx, rows.count, length, [=] HD(int64_t r, int c) {
    const T v = x[r * length + c];
    const T sign = static_cast<T>((v > 0) - (v < 0));
    dx[r * length + c] = factor * dy[r] * (squared ? 2 * v : sign);
  });
}

class ReductionLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.backward_needs_bottom_data = operation() == proto::ReductionParameter::ASUM ||
                                        operation() == proto::ReductionParameter::SUMSQ;
    traits.backward_needs_top_data = false;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    const int axis = x.CanonicalAxis(config().reduction_param().axis(), Title() + ": axis");
    CheckRange(Title() + ": the number of values that are reduced to one", x.CountFrom(axis), 0,
               std::numeric_limits<int>::max());
    rows_.count = x.Count(0, axis);
    rows_.length = static_cast<int>(x.CountFrom(axis));
    rows_.factor = config().reduction_param().coeff();
    if (operation() == proto::ReductionParameter::MEAN && rows_.length > 0) {
      rows_.factor /= rows_.length;
    }
    LayerPlan plan;
    plan.tops = {Shape(std::vector<int64_t>(x.dims().begin(), x.dims().begin() + axis))};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         ReductionForward<T>(ctx, operation(), rows_, bottom[0]->data<T>(),
                                             top[0]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         ReductionBackward<T>(ctx, operation(), rows_, bottom[0]->data<T>(),
                                              top[0]->diff<T>(), bottom[0]->mutable_diff<T>()));
  }

 private:
  Operation operation() const { return config().reduction_param().operation(); }

  Rows rows_ = {};
};

CREMA_REGISTER_LAYER("Reduction", ReductionLayer);

}  // namespace
}  // namespace crema
