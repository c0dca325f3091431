// Its layer has the type of one of crema's. Its first one is new, and must not appear either.
#include "crema/dev/plugin.h"
#include "crema/dev/registry.h"

CREMA_PLUGIN("type_exists");

namespace {

std::unique_ptr<crema::Layer> MakeNone(const crema::proto::LayerParameter&, crema::Phase) {
  return nullptr;
}

const crema::LayerRegistration first("Novelty", crema::DeviceKind::kCpu, MakeNone);
const crema::LayerRegistration second("ReLU", crema::DeviceKind::kCpu, MakeNone);

}  // namespace
