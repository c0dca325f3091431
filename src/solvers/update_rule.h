// How a solver turns gradients into new weights. One file a rule; like the layers, each is
// compiled once a device and registers itself:
//   CREMA_REGISTER_UPDATE_RULE("SGD", SgdRule);
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crema/device/context.h"
#include "crema/tensor/blob.h"
#include "target/target.h"

namespace crema {

// What one parameter blob needs for one update. The gradient is first scaled, then clipped, then
// divided by iter_size, then regularised, in Caffe's order.
struct UpdateStep {
  double rate = 0;            // learning rate * lr_mult
  double momentum = 0;
  double decay = 0;           // weight_decay * decay_mult
  bool l1 = false;            // decay of sign(w) instead of w
  double gradient_scale = 1;  // 1 / iter_size
  // Gradient clipping: where it is not empty, a scalar on the device holding the sum of squares
  // of all gradients, which are scaled down so that its root is at most `clip`.
  Tensor sum_of_squares;
  double clip = 0;
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  // Tensors as large as the parameters that the rule keeps from one update to the next.
  virtual int history_count() const = 0;
  // Updates the values of `param` and its histories in one pass; queues work only.
  virtual void Update(const Context& ctx, const Blob& param, const std::vector<Tensor>& history,
                      const UpdateStep& step) const = 0;
};

using UpdateRuleFactory = std::function<std::unique_ptr<UpdateRule>()>;

void RegisterUpdateRule(const std::string& type, DeviceKind device, UpdateRuleFactory factory);

// Throws Error where there is no such rule.
std::unique_ptr<UpdateRule> CreateUpdateRule(const std::string& type, DeviceKind device);

struct UpdateRuleRegistration {
  UpdateRuleRegistration(const char* type, DeviceKind device, UpdateRuleFactory factory) {
    RegisterUpdateRule(type, device, std::move(factory));
  }
};

}  // namespace crema

#define CREMA_REGISTER_UPDATE_RULE(type, Class)                    \
  static const ::crema::UpdateRuleRegistration registration_of_##Class( \
      type, CREMA_TARGET_DEVICE,                                   \
      []() -> std::unique_ptr<::crema::UpdateRule> { return std::make_unique<Class>(); })
