// Layers by type and device. A layer file registers itself:
//   CREMA_REGISTER_LAYER("ReLU", ReluLayer);
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crema/dev/layer.h"
#include "target/target.h"

namespace crema {

// Makes a layer of one type by one engine; throws Error where the options make no sense.
using LayerFactory =
    std::function<std::unique_ptr<Layer>(const proto::LayerParameter& config, Phase phase)>;

// Our own code for a type on a device. Throws Error if the pair is already registered.
void RegisterLayer(const std::string& type, DeviceKind device, LayerFactory factory);

// What the factors of products are rounded to; see Precision in crema.proto.
enum class Precision { kFloat32, kBFloat16 };

// An engine is another implementation of a layer than our own, which is called CAFFE: ONEDNN,
// CUDNN. It is asked first whether it can take a layer. `input` is what is known before there is a
// layer: not whether it runs in place.
struct EngineQuery {
  const proto::LayerParameter& config;
  const PlanInput& input;
  Precision precision = Precision::kFloat32;  // that the net wants
};
// Why not, in a few words; "" where it can. Throws Error where no engine could.
using WhyNot = std::function<std::string(const EngineQuery& query)>;

// One way to run one layer type: an engine, the algorithm and the precision that it uses.
struct EngineEntry {
  std::string engine;  // "ONEDNN"
  LayerFactory factory;
  WhyNot why_not;
  std::string algorithm = {};  // "WINOGRAD"; "": the engine's usual one
  // Where it is not kFloat32, only nets that want it get the entry unasked.
  Precision precision = Precision::kFloat32;

  // What files and --engine call it: by what differs from the engine's usual way, if anything does.
  // "ONEDNN", "WINOGRAD", "BF16".
  std::string Name() const;
  // What people are shown: "ONEDNN", "ONEDNN/WINOGRAD", "ONEDNN/BF16".
  std::string Title() const;
  // Whether a file that says `name` means it. Titles are understood, too.
  bool IsCalled(const std::string& name) const { return name == Name() || name == Title(); }
};

// Throws Error if the engine has the type on the device already, with this algorithm and precision.
void RegisterEngine(const std::string& type, DeviceKind device, EngineEntry entry);

// The engines that have the type on the device, without CAFFE, in the order in which they are to be
// asked: that of their registration.
const std::vector<EngineEntry>& EnginesFor(const std::string& type, DeviceKind device);

// The names (EngineEntry::Name) of what the build has for the device, CAFFE among them, sorted.
std::vector<std::string> EngineNames(DeviceKind device);

// Whether the build has what files call `name` for any type on the device.
bool HasEngine(const std::string& name, DeviceKind device);

// Our own code's layer. Throws Error where the type is unknown (naming the nearest one, and the
// fork it is from where that is known) or has no implementation for the device.
std::unique_ptr<Layer> CreateLayer(const proto::LayerParameter& config, Phase phase,
                                   DeviceKind device);

// All types registered for the device, sorted, but for those that only passes make, whose names
// begin with a bracket.
std::vector<std::string> LayerTypes(DeviceKind device);

// Registers where it is constructed: as a global, before main.
struct LayerRegistration {
  // Throws as RegisterLayer does, which then ends the program.
  LayerRegistration(const char* type, DeviceKind device, LayerFactory factory) {
    RegisterLayer(type, device, std::move(factory));
  }
};

// The same for an engine's code.
struct EngineRegistration {
  // Throws as RegisterEngine does.
  EngineRegistration(const char* engine, const char* type, DeviceKind device, LayerFactory factory,
                     WhyNot why_not, std::string algorithm = {},
                     Precision precision = Precision::kFloat32) {
    RegisterEngine(
        type, device,
        {engine, std::move(factory), std::move(why_not), std::move(algorithm), precision});
  }
};

}  // namespace crema

// Registers the class, in a file that is compiled for several devices, for the one that it is
// compiled for.
#define CREMA_REGISTER_LAYER(type, Class)                                    \
  static const ::crema::LayerRegistration registration_of_##Class(           \
      type, CREMA_TARGET_DEVICE,                                             \
      [](const ::crema::proto::LayerParameter& config, ::crema::Phase phase) \
          -> std::unique_ptr<::crema::Layer> { return std::make_unique<Class>(config, phase); })
