// Layers by type and device. A layer file registers itself:
//   CREMA_REGISTER_LAYER("ReLU", ReluLayer);
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crema/layer/layer.h"
#include "target/target.h"

namespace crema {

using LayerFactory =
    std::function<std::unique_ptr<Layer>(const proto::LayerParameter& config, Phase phase)>;

// Aborts where the pair is already registered.
void RegisterLayer(const std::string& type, DeviceKind device, LayerFactory factory);

// Throws Error where the type is unknown (naming the nearest one, and the fork it is from where
// that is known) or has no implementation for the device.
std::unique_ptr<Layer> CreateLayer(const proto::LayerParameter& config, Phase phase,
                                   DeviceKind device);

// All types registered for the device, sorted.
std::vector<std::string> LayerTypes(DeviceKind device);

struct LayerRegistration {
  LayerRegistration(const char* type, DeviceKind device, LayerFactory factory) {
    RegisterLayer(type, device, std::move(factory));
  }
};

}  // namespace crema

#define CREMA_REGISTER_LAYER(type, Class)                                            \
  static const ::crema::LayerRegistration registration_of_##Class(                   \
      type, CREMA_TARGET_DEVICE,                                                     \
      [](const ::crema::proto::LayerParameter& config, ::crema::Phase phase)         \
          -> std::unique_ptr<::crema::Layer> {                                       \
        return std::make_unique<Class>(config, phase);                               \
      })
