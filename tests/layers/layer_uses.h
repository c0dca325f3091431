// Every way in which a layer may be run, by what it claims of itself: for tests of all layers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/databases.h"
#include "layers/layer_examples.h"
#include "util/layer_runner.h"

namespace crema::test {

// An example, and how it is run. Sums of float32 are compared less strictly.
struct LayerUse {
  LayerExample example;
  RunnerOptions options;  // device, engine, number type, phase, layout, in place
  LayerTraits traits;     // of the layer, planned so

  bool RunsBackward() const { return options.phase == Phase::kTrain && traits.has_backward; }
  // For sums that are added up in another order.
  double tolerance() const { return options.dtype == DType::kFloat32 ? 1e-4 : 1e-10; }
  std::string ToString() const;
};

// Makes the uses of the examples that have bottoms. What layers write goes to folders of its own.
class LayerUses {
 public:
  // By our own code on each device that is there, and by each engine that takes the example; in
  // both phases, and in all layouts and in place where the layer allows it.
  std::vector<LayerUse> Of(const std::string& type);

  // Each time the same numbers: normal ones and, where a layer wants them, labels and indices (0 or
  // 1) or positive ones. Where two uses differ only in the device, the layout or in place, the
  // layer gets the same text.
  std::unique_ptr<LayerRunner> Make(const LayerUse& use);

 private:
  void Add(const LayerExample& example, const RunnerOptions& options, std::vector<LayerUse>* uses);
  bool CanPlan(LayerUse* use);

  TempFolder temp_;
  int folders_ = 0;
};

// The engines, without our own code and those of tests, that have the type on the device.
std::vector<std::string> EnginesOf(const std::string& type, DeviceKind device);

}  // namespace crema::test
