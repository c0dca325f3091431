#include "crema/layer/registry.h"

#include <map>

#include "base/strings.h"
#include "crema.pb.h"
#include "schema/fork_hints.h"

namespace crema {
namespace {

using Registry = std::map<DeviceKind, std::map<std::string, LayerFactory>>;

Registry& TheRegistry() {
  static Registry registry;
  return registry;
}

}  // namespace

void RegisterLayer(const std::string& type, DeviceKind device, LayerFactory factory) {
  const bool added = TheRegistry()[device].emplace(type, std::move(factory)).second;
  CREMA_CHECK(added, "layer type ", type, " is registered twice for the ", ToString(device));
}

std::unique_ptr<Layer> CreateLayer(const proto::LayerParameter& config, Phase phase,
                                   DeviceKind device) {
  const auto& factories = TheRegistry()[device];
  const auto it = factories.find(config.type());
  if (it != factories.end()) return it->second(config, phase);
  if (config.type().empty()) Fail("layer '", config.name(), "' has no type; add type: \"...\"");
  const std::string fork = ForkOfLayerType(config.type());
  const std::string near = Nearest(config.type(), LayerTypes(device));
  Fail("layer '", config.name(), "' has the type '", config.type(), "', which crema does not know",
       fork.empty() ? "" : " (it comes from " + fork + ")",
       near.empty() ? "; `crema help` lists the types" : "; did you mean '" + near + "'?");
}

std::vector<std::string> LayerTypes(DeviceKind device) {
  std::vector<std::string> types;
  for (const auto& entry : TheRegistry()[device]) types.push_back(entry.first);
  return types;
}

}  // namespace crema
