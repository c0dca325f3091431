// Whole-tensor operations for code that is not compiled once a target: the net and the trainer.
#pragma once

#include "crema/context.h"
#include "crema/tensor.h"

namespace crema {

// One instance a kind of device. All work is queued on the context's device; tensors are of a
// floating-point type, and lie there. "Alike" are two tensors of one shape, type and layout, which
// nobody checks. The sums of AddScaledSum and ClipFactor throw Error for 2^31 elements and more.
// May be called by any number of threads, each with its own Context.
class VectorOps {
 public:
  virtual ~VectorOps() = default;  // lives as long as the process

  // x[i] = value, for all elements.
  virtual void Fill(const Context& ctx, const Tensor& x, double value) const = 0;
  // total[0] += weight * (x[0] + x[1] + ...); both of one type.
  virtual void AddScaledSum(const Context& ctx, const Tensor& x, double weight,
                            const Tensor& total) const = 0;
  // factor[0] = scale, less where the L2 norm of x is above `limit`: scale * limit / norm. Both of
  // one type.
  virtual void ClipFactor(const Context& ctx, const Tensor& x, double limit, double scale,
                          const Tensor& factor) const = 0;
  // note[0] = mark where x has an element that is infinite or not a number, unless note[0] >= 0
  // already. `note` is a double.
  virtual void NoteNonFinite(const Context& ctx, const Tensor& x, double mark,
                             const Tensor& note) const = 0;
  // average += share * (x - average), element by element; both alike.
  virtual void MoveToward(const Context& ctx, const Tensor& x, double share,
                          const Tensor& average) const = 0;
  // Exchanges what two tensors hold; both alike.
  virtual void Swap(const Context& ctx, const Tensor& x, const Tensor& y) const = 0;
};

// The operations for a context of that kind of device. Throws Error if the build has none.
const VectorOps& VectorOpsFor(DeviceKind device);

// For the implementation, which registers itself once a target.
struct VectorOpsRegistration {
  // `ops` lives as long as the process. A second one for a device is a mistake of ours, and aborts.
  VectorOpsRegistration(DeviceKind device, const VectorOps* ops);
};

}  // namespace crema
