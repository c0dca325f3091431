// The primitives of src/math behind one interface, so that a test can run them on any device.
// primitives.cpp is compiled once a target, as a layer file is.
#pragma once

#include "crema/context.h"
#include "crema/dev/conv_geometry.h"
#include "crema/layout.h"
#include "crema/tensor.h"

namespace crema::test {

// Addresses and tensors are of the context's device; tensors that belong together are of one
// floating-point type.
class Primitives {
 public:
  virtual ~Primitives() = default;

  // ForEach over elements: y[i] += x[i] + i.
  virtual void AddLine(const Context& ctx, int64_t count, const double* x, double* y) const = 0;
  // ForEach over rows: y[r * cols + c] += x[r * cols + c] + 1000 * r + c.
  virtual void AddGrid(const Context& ctx, int64_t rows, int cols, const double* x,
                       double* y) const = 0;
  // ParallelTasks, each of which adds one to visits[task] with ForEach; true where every worker
  // was in range.
  virtual bool VisitTasks(const Context& ctx, int tasks, double* visits) const = 0;

  // totals[r] += the sum, or the maximum, of row r.
  virtual void AddRowTotals(const Context& ctx, bool max, int64_t rows, int cols, const Tensor& x,
                            const Tensor& totals) const = 0;
  virtual void AddChannelTotals(const Context& ctx, bool max, const ChannelView& view,
                                const Tensor& x, const Tensor& totals) const = 0;
  // totals[c] += the sum of channel c, totals[channels + c] += that of its squares, in one pass.
  virtual void AddChannelPairs(const Context& ctx, const ChannelView& view, const Tensor& x,
                               const Tensor& totals) const = 0;

  struct Product {
    bool transpose_a, transpose_b;
    int64_t m, n, k;
    double alpha, beta;
  };
  virtual void Gemm(const Context& ctx, const Product& product, const Tensor& a, const Tensor& b,
                    const Tensor& c) const = 0;

  virtual void Im2col(const Context& ctx, const ConvGeometry& g, const Tensor& image,
                      const Tensor& columns) const = 0;
  virtual void Col2im(const Context& ctx, const ConvGeometry& g, const Tensor& columns,
                      const Tensor& image) const = 0;

  virtual void TransposeEach(const Context& ctx, int64_t matrices, int rows, int columns,
                             const Tensor& in, const Tensor& out) const = 0;

  // Element i of each: the number of index i at `step` (float32; bits are uint32 in an int32
  // tensor).
  virtual void Random(const Context& ctx, uint64_t mixed, uint64_t step, const Tensor& bits,
                      const Tensor& uniform, const Tensor& normal) const = 0;
};

const Primitives& PrimitivesFor(DeviceKind device);

struct PrimitivesRegistration {
  PrimitivesRegistration(DeviceKind device, const Primitives* primitives);
};

}  // namespace crema::test
