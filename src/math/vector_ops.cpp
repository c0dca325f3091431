#include "math/vector_ops.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "crema/dev/for_each.h"
#include "crema/dev/reduce.h"

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
void ClipByNorm(const Context& ctx, const Tensor& x, double limit, double scale,
                const Tensor& factor) {
  const T* in = x.data<T>();
  T* out = factor.mutable_data<T>();
  const T largest = static_cast<T>(limit), s = static_cast<T>(scale);
  ReduceRows<SumOp, T>(
      ctx, 1, static_cast<int>(x.count()), [=] HD(int64_t, int c) { return in[c] * in[c]; },
      [=] HD(int64_t, T squares) {
        const T norm = std::sqrt(squares);
        out[0] = norm > largest ? s * (largest / norm) : s;
      });
}

// x - x is 0, or not a number where x is infinite or none itself.
template <class T>
void NoteIfNotFinite(const Context& ctx, const T* in, int count, double mark, double* note) {
  ReduceRows<SumOp, T>(
      ctx, 1, count, [=] HD(int64_t, int c) { return in[c] - in[c]; },
      [=] HD(int64_t, T sum) {
        if (!(sum == 0) && note[0] < 0) note[0] = mark;
      });
}

template <class T>
void NoteIfNotFinite(const Context& ctx, const Tensor& x, double mark, const Tensor& note) {
  constexpr int64_t kMost = 1 << 30;
  for (int64_t begin = 0; begin < x.count(); begin += kMost) {
    NoteIfNotFinite<T>(ctx, x.data<T>() + begin,
                       static_cast<int>(std::min(kMost, x.count() - begin)), mark,
                       note.mutable_data<double>());
  }
}

template <class T>
void MoveTo(const Context& ctx, const Tensor& x, double share, const Tensor& average) {
  const T* in = x.data<T>();
  T* out = average.mutable_data<T>();
  const T s = static_cast<T>(share);
  ForEach(ctx, x.count(), [=] HD(int64_t i) { out[i] += s * (in[i] - out[i]); });
}

template <class T>
void SwapValues(const Context& ctx, const Tensor& x, const Tensor& y) {
  T* a = x.mutable_data<T>();
  T* b = y.mutable_data<T>();
  ForEach(ctx, x.count(), [=] HD(int64_t i) {
    const T value = a[i];
    a[i] = b[i];
    b[i] = value;
  });
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
  void ClipFactor(const Context& ctx, const Tensor& x, double limit, double scale,
                  const Tensor& factor) const override {
    CheckLength(x);
    CREMA_FLOAT_DISPATCH(x.dtype(), T, ClipByNorm<T>(ctx, x, limit, scale, factor));
  }
  void NoteNonFinite(const Context& ctx, const Tensor& x, double mark,
                     const Tensor& note) const override {
    CREMA_FLOAT_DISPATCH(x.dtype(), T, NoteIfNotFinite<T>(ctx, x, mark, note));
  }
  void MoveToward(const Context& ctx, const Tensor& x, double share,
                  const Tensor& average) const override {
    CREMA_FLOAT_DISPATCH(x.dtype(), T, MoveTo<T>(ctx, x, share, average));
  }
  void Swap(const Context& ctx, const Tensor& x, const Tensor& y) const override {
    CREMA_FLOAT_DISPATCH(x.dtype(), T, SwapValues<T>(ctx, x, y));
  }

 private:
  static void CheckLength(const Tensor& x) {
    if (x.count() > std::numeric_limits<int>::max()) {
      Fail("cannot sum a tensor of ", x.count(), " elements; at most ",
           std::numeric_limits<int>::max(), " are supported");
    }
  }
};

const TargetVectorOps target_ops;
const VectorOpsRegistration registration_of_vector_ops(CREMA_TARGET_DEVICE, &target_ops);

}  // namespace
}  // namespace crema
