// Compiled once a target. It stands for a layer file, so the same rules hold for its kernels.
#include "math/primitives.h"

#include <vector>

#include "crema/dev/for_each.h"
#include "crema/dev/gemm.h"
#include "crema/dev/im2col.h"
#include "crema/dev/philox.h"
#include "crema/dev/reduce.h"
#include "crema/dev/transpose.h"
#include "target/target.h"

namespace crema::test {
namespace {

void AddLineKernel(const Context& ctx, int64_t count, const double* x, double* y) {
  ForEach(ctx, count, [=] HD(int64_t i) { y[i] += x[i] + static_cast<double>(i); });
}

void AddGridKernel(const Context& ctx, int64_t rows, int cols, const double* x, double* y) {
  ForEach(ctx, rows, cols, [=] HD(int64_t r, int c) {
    y[r * cols + c] += x[r * cols + c] + 1000.0 * static_cast<double>(r) + c;
  });
}

void Visit(const Context& ctx, double* visit) {
  ForEach(ctx, 1, [=] HD(int64_t) { visit[0] += 1; });
}

template <class Op, class T>
void RowTotals(const Context& ctx, int64_t rows, int cols, const Tensor& x, const Tensor& totals) {
  const T* in = x.data<T>();
  T* out = totals.mutable_data<T>();
  ReduceRows<Op, T>(
      ctx, rows, cols, [=] HD(int64_t r, int c) { return in[r * cols + c]; },
      [=] HD(int64_t r, T total) { out[r] += total; });
}

template <class Op, class T>
void ChannelTotals(const Context& ctx, const ChannelView& view, const Tensor& x,
                   const Tensor& totals) {
  const T* in = x.data<T>();
  T* out = totals.mutable_data<T>();
  const int channels = view.channels, inner = view.inner;
  ReduceChannels<Op, T>(
      ctx, view, [=] HD(int64_t o, int c, int i) { return in[(o * channels + c) * inner + i]; },
      [=] HD(int c, T total) { out[c] += total; });
}

template <class T>
void ChannelPairs(const Context& ctx, const ChannelView& view, const Tensor& x,
                  const Tensor& totals) {
  const int channels = view.channels, inner = view.inner;
  const T* in = x.data<T>();
  T* out = totals.mutable_data<T>();
  ReduceChannels<SumOp, Pair<double>>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        const double value = in[(o * channels + c) * inner + i];
        return Pair<double>{value, value * value};
      },
      [=] HD(int c, Pair<double> total) {
        out[c] += static_cast<T>(total.first);
        out[channels + c] += static_cast<T>(total.second);
      });
}

template <class T>
void RunGemm(const Context& ctx, const Primitives::Product& p, const Tensor& a, const Tensor& b,
             const Tensor& c) {
  Gemm<T>(ctx, p.transpose_a ? Transpose::kYes : Transpose::kNo,
          p.transpose_b ? Transpose::kYes : Transpose::kNo, p.m, p.n, p.k, static_cast<T>(p.alpha),
          a.data<T>(), b.data<T>(), static_cast<T>(p.beta), c.mutable_data<T>());
}

void RandomKernel(const Context& ctx, uint64_t mixed, uint64_t step, const Tensor& bits,
                  const Tensor& uniform, const Tensor& normal) {
  int32_t* b = bits.mutable_data<int32_t>();
  float* u = uniform.mutable_data<float>();
  float* n = normal.mutable_data<float>();
  ForEach(ctx, bits.count(), [=] HD(int64_t i) {
    b[i] = static_cast<int32_t>(RandomBits(mixed, step, i));
    u[i] = RandomUniform(mixed, step, i);
    n[i] = RandomNormal(mixed, step, i);
  });
}

class TargetPrimitives : public Primitives {
 public:
  void AddLine(const Context& ctx, int64_t count, const double* x, double* y) const override {
    AddLineKernel(ctx, count, x, y);
  }
  void AddGrid(const Context& ctx, int64_t rows, int cols, const double* x,
               double* y) const override {
    AddGridKernel(ctx, rows, cols, x, y);
  }
  bool VisitTasks(const Context& ctx, int tasks, double* visits) const override {
    std::vector<int> worker_of(static_cast<size_t>(tasks), -1);
    const int workers = WorkerCount(ctx);
    ParallelTasks(ctx, tasks, [&](int task, int worker) {
      worker_of[static_cast<size_t>(task)] = worker;
      Visit(ctx, visits + task);
    });
    for (int worker : worker_of) {
      if (worker < 0 || worker >= workers) return false;
    }
    return true;
  }
  void AddRowTotals(const Context& ctx, bool max, int64_t rows, int cols, const Tensor& x,
                    const Tensor& totals) const override {
    if (max) {
      CREMA_FLOAT_DISPATCH(x.dtype(), T, (RowTotals<MaxOp, T>(ctx, rows, cols, x, totals)));
    } else {
      CREMA_FLOAT_DISPATCH(x.dtype(), T, (RowTotals<SumOp, T>(ctx, rows, cols, x, totals)));
    }
  }
  void AddChannelTotals(const Context& ctx, bool max, const ChannelView& view, const Tensor& x,
                        const Tensor& totals) const override {
    if (max) {
      CREMA_FLOAT_DISPATCH(x.dtype(), T, (ChannelTotals<MaxOp, T>(ctx, view, x, totals)));
    } else {
      CREMA_FLOAT_DISPATCH(x.dtype(), T, (ChannelTotals<SumOp, T>(ctx, view, x, totals)));
    }
  }
  void AddChannelPairs(const Context& ctx, const ChannelView& view, const Tensor& x,
                       const Tensor& totals) const override {
    CREMA_FLOAT_DISPATCH(x.dtype(), T, ChannelPairs<T>(ctx, view, x, totals));
  }
  void Gemm(const Context& ctx, const Product& product, const Tensor& a, const Tensor& b,
            const Tensor& c) const override {
    CREMA_FLOAT_DISPATCH(a.dtype(), T, RunGemm<T>(ctx, product, a, b, c));
  }
  void Im2col(const Context& ctx, const ConvGeometry& g, const Tensor& image,
              const Tensor& columns) const override {
    CREMA_FLOAT_DISPATCH(image.dtype(), T,
                         ::crema::Im2col<T>(ctx, g, image.data<T>(), columns.mutable_data<T>()));
  }
  void Col2im(const Context& ctx, const ConvGeometry& g, const Tensor& columns,
              const Tensor& image) const override {
    CREMA_FLOAT_DISPATCH(image.dtype(), T,
                         ::crema::Col2im<T>(ctx, g, columns.data<T>(), image.mutable_data<T>()));
  }
  void TransposeEach(const Context& ctx, int64_t matrices, int rows, int columns, const Tensor& in,
                     const Tensor& out) const override {
    CREMA_FLOAT_DISPATCH(in.dtype(), T,
                         ::crema::TransposeEach<T>(ctx, matrices, rows, columns, in.data<T>(),
                                                   out.mutable_data<T>()));
  }
  void Random(const Context& ctx, uint64_t mixed, uint64_t step, const Tensor& bits,
              const Tensor& uniform, const Tensor& normal) const override {
    RandomKernel(ctx, mixed, step, bits, uniform, normal);
  }
};

const TargetPrimitives target_primitives;
const PrimitivesRegistration registration(CREMA_TARGET_DEVICE, &target_primitives);

}  // namespace
}  // namespace crema::test
