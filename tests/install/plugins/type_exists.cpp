// Its layer has the type of one of crema's. Its first one is new, and must not appear either.
#include "crema/dev/plugin.h"
#include "crema/dev/registry.h"
#include "target/target.h"

CREMA_PLUGIN("type_exists");

namespace {

std::unique_ptr<crema::Layer> MakeNone(const crema::proto::LayerParameter&, crema::Phase) {
  return nullptr;
}

const crema::LayerRegistration first("Novelty", CREMA_TARGET_DEVICE, MakeNone);
const crema::LayerRegistration second("ReLU", CREMA_TARGET_DEVICE, MakeNone);

}  // namespace
