#include <map>

#include "crema/error.h"
#include "math/vector_ops.h"

namespace crema {
namespace {

std::map<DeviceKind, const VectorOps*>& Registry() {
  static std::map<DeviceKind, const VectorOps*> registry;
  return registry;
}

}  // namespace

VectorOpsRegistration::VectorOpsRegistration(DeviceKind device, const VectorOps* ops) {
  CREMA_CHECK(Registry().emplace(device, ops).second, "registered twice: ", ToString(device));
}

const VectorOps& VectorOpsFor(DeviceKind device) {
  const auto it = Registry().find(device);
  if (it == Registry().end()) Fail("this build of crema has no kernels for the ", ToString(device));
  return *it->second;
}

}  // namespace crema
