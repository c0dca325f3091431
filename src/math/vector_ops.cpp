#include "crema/math/vector_ops.h"

#include <limits>

#include "crema/math/for_each.h"
#include "crema/math/reduce.h"

namespace crema {
namespace {

template <class T>
void FillWith(const Context& ctx, const Tensor& x, double value) {
  T* out = x.mutable_data<T>();
  const T v = static_cast<T>(value);
  ForEach(ctx, x.count(), [=] HD(int64_t i) { out[i] = v; });
}

template <class T>
void AddSum(const Context& ctx, const Tensor& x, double weight, const Tensor& total) {
  const T* in = x.data<T>();
  T* sum = total.mutable_data<T>();
  const T w = static_cast<T>(weight);
  ReduceRows<SumOp, T>(
      ctx, 1, static_cast<int>(x.count()), [=] HD(int64_t, int c) { return in[c]; },
      [=] HD(int64_t, T value) { sum[0] += w * value; });
}

template <class T>
void Squares(const Context& ctx, const Tensor& x, const Tensor& total) {
  const T* in = x.data<T>();
  T* sum = total.mutable_data<T>();
  ReduceRows<SumOp, T>(
      ctx, 1, static_cast<int>(x.count()), [=] HD(int64_t, int c) { return in[c] * in[c]; },
      [=] HD(int64_t, T value) { sum[0] = value; });
}

class TargetVectorOps : public VectorOps {
 public:
  void Fill(const Context& ctx, const Tensor& x, double value) const override {
    CREMA_FLOAT_DISPATCH(x.dtype(), T, FillWith<T>(ctx, x, value));
  }
  void AddScaledSum(const Context& ctx, const Tensor& x, double weight,
                    const Tensor& total) const override {
    CheckLength(x);
    CREMA_FLOAT_DISPATCH(x.dtype(), T, AddSum<T>(ctx, x, weight, total));
  }
  void SumOfSquares(const Context& ctx, const Tensor& x, const Tensor& total) const override {
    CheckLength(x);
    CREMA_FLOAT_DISPATCH(x.dtype(), T, Squares<T>(ctx, x, total));
  }

 private:
  static void CheckLength(const Tensor& x) {
    if (x.count() > std::numeric_limits<int>::max()) {
      Fail("a tensor of ", x.count(), " elements is too long to be summed; at most ",
           std::numeric_limits<int>::max(), " are allowed");
    }
  }
};

const TargetVectorOps target_ops;
const VectorOpsRegistration registration(CREMA_TARGET_DEVICE, &target_ops);

}  // namespace
}  // namespace crema
