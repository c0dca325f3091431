// How a solver turns gradients into new weights. One file a rule; like the layers, each is
// compiled once a device and registers itself (see fused_update.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crema/context.h"
#include "crema/tensor.h"
#include "target/target.h"

namespace crema {

// What a rule needs for one update of neighbouring parameters. The gradient is first clipped, then
// divided by iter_size, then regularised, in Caffe's order. Which numbers a rule reads is its own
// business; their names are those of SolverParameter.
struct UpdateStep {
  // Flat buffers of equal type and size, see tensor/param_block.h. Of `history` there are as many
  // as the rule keeps.
  Tensor weights, gradients;
  std::vector<Tensor> history;
  // For each block of them: what `rate` and `decay` are multiplied with.
  Tensor rate_mults, decay_mults;
  // The blocks to update.
  int64_t first_block = 0, blocks = 0;

  int64_t iteration = 0;  // from 0
  double rate = 0;
  double momentum = 0, momentum2 = 0, rms_decay = 0, delta = 0;
  double decay = 0;
  bool l1 = false;  // decay of sign(w) instead of w
  // A scalar on the device by which the gradient is multiplied: 1 / iter_size, less where
  // gradients are clipped.
  Tensor gradient_factor;
};

// Keeps nothing: whatever lasts from one update to the next is in the step's histories.
class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  // Tensors as large as the parameters that the rule keeps from one update to the next.
  virtual int history_count() const = 0;
  // From which of them on they are sums or means of squares, which are never negative.
  virtual int first_square() const = 0;
  // Updates weights and histories in one pass; queues work only. Weights of
  // zero with a gradient of zero stay zero (where delta is not 0).
  virtual void Update(const Context& ctx, const UpdateStep& step) const = 0;
};

using UpdateRuleFactory = std::function<std::unique_ptr<UpdateRule>()>;

// `type` is the solver's name in files, such as "Adam". A second rule for a type and device is a
// mistake of ours, and aborts.
void RegisterUpdateRule(const std::string& type, DeviceKind device, UpdateRuleFactory factory);

// Throws Error, with the types that there are, where there is no such rule.
std::unique_ptr<UpdateRule> CreateUpdateRule(const std::string& type, DeviceKind device);

// Registers where it is constructed: as a global, before main.
struct UpdateRuleRegistration {
  // See RegisterUpdateRule.
  UpdateRuleRegistration(const char* type, DeviceKind device, UpdateRuleFactory factory) {
    RegisterUpdateRule(type, device, std::move(factory));
  }
};

}  // namespace crema
