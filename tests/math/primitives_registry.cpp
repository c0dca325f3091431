#include <map>

#include "crema/error.h"
#include "math/primitives.h"

namespace crema::test {
namespace {

std::map<DeviceKind, const Primitives*>& Registry() {
  static std::map<DeviceKind, const Primitives*> registry;
  return registry;
}

}  // namespace

PrimitivesRegistration::PrimitivesRegistration(DeviceKind device, const Primitives* primitives) {
  CREMA_CHECK(Registry().emplace(device, primitives).second, "registered twice");
}

const Primitives& PrimitivesFor(DeviceKind device) {
  const auto it = Registry().find(device);
  CREMA_CHECK(it != Registry().end(), "no primitives for the ", ToString(device));
  return *it->second;
}

}  // namespace crema::test
