#include "crema/layer/registry.h"

#include <algorithm>
#include <map>
#include <set>

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

using EngineRegistry = std::map<DeviceKind, std::map<std::string, std::vector<EngineEntry>>>;

EngineRegistry& TheEngines() {
  static EngineRegistry engines;
  return engines;
}

// What is registered for a device. It only looks: threads that build nets may do so at once.
template <class T>
const T& Of(const std::map<DeviceKind, T>& registry, DeviceKind device) {
  static const T none;
  const auto it = registry.find(device);
  return it == registry.end() ? none : it->second;
}

// Caffe's layer that runs a class of the user's Python modules.
[[noreturn]] void FailPython(const proto::LayerParameter& config) {
  const proto::PythonParameter& python = config.python_param();
  Fail(
      InLayer(config.name(), Concat("Python, ", python.module(), ".", python.layer())),
      ": crema cannot run layers written in Python yet; replace it with built-in layers (see "
      "`crema help`), write it in C++ (see docs/adding_a_layer.md), or exclude it from this phase");
}

}  // namespace

void RegisterLayer(const std::string& type, DeviceKind device, LayerFactory factory) {
  const bool added = TheRegistry()[device].emplace(type, std::move(factory)).second;
  if (added) return;
  Fail("the layer type '", type, "' is registered twice for the ", ToString(device),
       "; rename one of them");
}

void RegisterEngine(const std::string& type, DeviceKind device, EngineEntry entry) {
  std::vector<EngineEntry>& entries = TheEngines()[device][type];
  const bool is_new = std::none_of(entries.begin(), entries.end(),
                                   [&](const EngineEntry& e) { return e.engine == entry.engine; });
  if (!is_new) {
    Fail("the engine ", entry.engine, " registers the layer type '", type, "' twice for the ",
         ToString(device), "; register it once");
  }
  entries.push_back(std::move(entry));
}

const std::vector<EngineEntry>& EnginesFor(const std::string& type, DeviceKind device) {
  static const std::vector<EngineEntry> none;
  const auto& types = Of(TheEngines(), device);
  const auto it = types.find(type);
  return it == types.end() ? none : it->second;
}

std::vector<std::string> EngineNames(DeviceKind device) {
  std::set<std::string> names = {"CAFFE"};
  for (const auto& type : Of(TheEngines(), device)) {
    for (const EngineEntry& entry : type.second) names.insert(entry.engine);
  }
  return {names.begin(), names.end()};
}

std::unique_ptr<Layer> CreateLayer(const proto::LayerParameter& config, Phase phase,
                                   DeviceKind device) {
  const auto& factories = Of(TheRegistry(), device);
  const auto it = factories.find(config.type());
  if (it != factories.end()) return it->second(config, phase);
  const InLayer layer(config.name(), "");
  if (config.type().empty()) Fail(layer, " has no type; add type: \"...\"");
  if (config.type() == "Python") FailPython(config);
  const std::string fork = ForkOfLayerType(config.type());
  const std::string near = Nearest(config.type(), LayerTypes(device));
  std::string advice = AdviceForLayerType(config.type());
  if (advice.empty() && !fork.empty()) {
    advice = "crema has no layer of this type; write it in C++ (see docs/adding_a_layer.md)";
  }
  if (advice.empty()) {
    advice = near.empty() ? "`crema help` lists the types" : "did you mean '" + near + "'?";
  }
  Fail(layer, " has the unknown type '", config.type(), "'",
       fork.empty() ? "" : " (from " + fork + ")", "; ", advice);
}

std::vector<std::string> LayerTypes(DeviceKind device) {
  std::vector<std::string> types;
  for (const auto& entry : Of(TheRegistry(), device)) {
    if (entry.first[0] != '(') types.push_back(entry.first);
  }
  return types;
}

}  // namespace crema
