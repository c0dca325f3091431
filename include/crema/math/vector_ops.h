// Whole-tensor operations for code that is not compiled once a target: the net and the trainer.
#pragma once

#include "crema/device/context.h"
#include "crema/tensor/tensor.h"

namespace crema {

// One instance a kind of device. All work is queued on the context's device; tensors are of a
// floating-point type.
class VectorOps {
 public:
  virtual ~VectorOps() = default;

  virtual void Fill(const Context& ctx, const Tensor& x, double value) const = 0;
  // total[0] += weight * (x[0] + x[1] + ...); both of one type.
  virtual void AddScaledSum(const Context& ctx, const Tensor& x, double weight,
                            const Tensor& total) const = 0;
  // total[0] = x[0]^2 + x[1]^2 + ...; both of one type.
  virtual void SumOfSquares(const Context& ctx, const Tensor& x, const Tensor& total) const = 0;
};

const VectorOps& VectorOpsFor(DeviceKind device);

// For the implementation, which registers itself once a target.
struct VectorOpsRegistration {
  VectorOpsRegistration(DeviceKind device, const VectorOps* ops);
};

}  // namespace crema
