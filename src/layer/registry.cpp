#include "crema/dev/registry.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/strings.h"
#include "crema.pb.h"
#include "layer/held_registrations.h"
#include "schema/fork_hints.h"

namespace crema {
namespace {

using Registry = std::map<DeviceKind, std::map<std::string, LayerFactory>>;
using EngineRegistry = std::map<DeviceKind, std::map<std::string, std::vector<EngineEntry>>>;

// All that is registered. Readers take no lock and may keep what they have found: from the first of
// them on, and for plug-ins always, who adds something publishes a changed copy, and what was
// published stays.
class Registrations {
 public:
  struct Tables {
    Registry layers;
    EngineRegistry engines;
  };
  using Addition = std::function<void(Tables*)>;  // throws Error

  Registrations() {
    versions_.push_back(std::make_unique<Tables>());
    current_.store(versions_.back().get());
  }

  const Tables& Read() {
    was_read_.store(true);
    return *current_.load();
  }

  // In place while nobody has read; then readers must not begin at the same time.
  void Add(const Addition& addition) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!was_read_.load()) return addition(versions_.back().get());
    }
    Publish({addition});
  }

  // All of them, or none where one throws. Readers may begin at any time.
  void Publish(const std::vector<Addition>& additions) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto changed = std::make_unique<Tables>(*versions_.back());
    for (const Addition& add : additions) add(changed.get());
    versions_.push_back(std::move(changed));
    current_.store(versions_.back().get());
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Tables>> versions_;
  std::atomic<const Tables*> current_{nullptr};
  std::atomic<bool> was_read_{false};
};

// Never destroyed: threads that outlive main may read it.
Registrations& All() {
  static auto* const all = new Registrations;
  return *all;
}

const Registry& TheRegistry() { return All().Read().layers; }
const EngineRegistry& TheEngines() { return All().Read().engines; }

// What this thread registers now, where it is not to be seen yet.
thread_local std::vector<Registrations::Addition>* held = nullptr;

void AddOrHold(Registrations::Addition addition) {
  if (held != nullptr) return held->push_back(std::move(addition));
  All().Add(addition);
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

struct HeldRegistrations::Additions : std::vector<Registrations::Addition> {};

HeldRegistrations::HeldRegistrations() : additions_(std::make_unique<Additions>()) {
  held = additions_.get();
}

HeldRegistrations::~HeldRegistrations() { held = nullptr; }

bool HeldRegistrations::empty() const { return additions_->empty(); }

void HeldRegistrations::Publish() { All().Publish(*additions_); }

void RegisterLayer(const std::string& type, DeviceKind device, LayerFactory factory) {
  AddOrHold([=](Registrations::Tables* tables) {
    const bool added = tables->layers[device].emplace(type, factory).second;
    if (added) return;
    Fail("the layer type '", type, "' is registered twice for the ", ToString(device),
         "; rename one of them");
  });
}

std::string EngineEntry::Name() const {
  if (precision == Precision::kBFloat16) return "BF16";
  return algorithm.empty() ? engine : algorithm;
}

std::string EngineEntry::Title() const {
  std::string title = engine;
  if (!algorithm.empty()) title += "/" + algorithm;
  if (precision == Precision::kBFloat16) title += "/BF16";
  return title;
}

void RegisterEngine(const std::string& type, DeviceKind device, EngineEntry entry) {
  AddOrHold([=](Registrations::Tables* tables) {
    std::vector<EngineEntry>& entries = tables->engines[device][type];
    const bool is_new = std::none_of(entries.begin(), entries.end(), [&](const EngineEntry& e) {
      return e.Title() == entry.Title();
    });
    if (!is_new) {
      Fail("the engine ", entry.Title(), " registers the layer type '", type, "' twice for the ",
           ToString(device), "; register it once");
    }
    entries.push_back(entry);
  });
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
    for (const EngineEntry& entry : type.second) names.insert(entry.Name());
  }
  return {names.begin(), names.end()};
}

bool HasEngine(const std::string& name, DeviceKind device) {
  const auto& types = Of(TheEngines(), device);
  return name == "CAFFE" || std::any_of(types.begin(), types.end(), [&](const auto& type) {
           return std::any_of(type.second.begin(), type.second.end(),
                              [&](const EngineEntry& entry) { return entry.IsCalled(name); });
         });
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
    advice = near.empty() ? "is a plug-in missing (--plugins, CREMA_PLUGINS)? `crema help` lists "
                            "the types that there are"
                          : "did you mean '" + near + "'?";
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
