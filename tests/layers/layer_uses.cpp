#include "layers/layer_uses.h"

#include <cmath>
#include <filesystem>
#include <set>

#include "base/strings.h"
#include "crema/dev/registry.h"

namespace crema::test {
namespace {

// Large enough for the engines that leave small layers to our own code.
std::vector<LayerExample> EngineExamples() {
  const std::string filler = "weight_filler { type: 'gaussian' std: 0.1 } ";
  const std::string winograd =
      "convolution_param { num_output: 64 kernel_size: 3 pad: 1 " + filler + "}";
  const std::string wide = "convolution_param { num_output: 32 kernel_size: 2 stride: 2 " + filler +
                           "bias_filler { value: 0.1 } }";
  const auto product = [&](const char* engine) {
    return Concat("inner_product_param { engine: ", engine, " num_output: 64 ", filler, "}");
  };
  return {
      {"Convolution", {{4, 64, 16, 16}}, 1, winograd},
      {"Convolution", {{2, 32, 6, 6}}, 1, wide},
      {"Deconvolution", {{4, 64, 16, 16}}, 1, winograd},
      {"Deconvolution", {{2, 32, 6, 6}}, 1, wide},
      {"Pooling", {{2, 16, 7, 7}}, 1, "pooling_param { kernel_size: 3 stride: 2 }"},
      {"Pooling", {{2, 16, 7, 7}}, 1, "pooling_param { pool: AVE kernel_size: 3 stride: 2 }"},
      {"LRN", {{2, 16, 5, 5}}, 1, "lrn_param { local_size: 5 }"},
      {"InnerProduct", {{8, 64}}, 1, product("ONEDNN")},
      {"InnerProduct", {{8, 64}}, 1, product("BF16")},
  };
}

bool HasImageAxes(const LayerExample& example) {
  for (const Shape& shape : example.bottoms) {
    if (shape.rank() > 2) return true;
  }
  return false;
}

// Bottoms of the first one's shape are of its kind.
std::vector<double> ValuesFor(const LayerExample& example, size_t bottom) {
  static const std::set<std::string> indices = {"Embed"};
  static const std::set<std::string> positive = {"Log", "MultinomialLogisticLoss"};
  const Shape& shape = example.bottoms[bottom];
  const bool is_more_input = bottom == 0 || shape == example.bottoms[0];
  if (!is_more_input || indices.count(example.type) > 0) {
    return RandomLabels(shape.count(), 2, 3 + bottom);
  }
  std::vector<double> values = RandomValues(shape.count(), 11 + bottom);
  if (positive.count(example.type) > 0) {
    for (double& value : values) value = 0.1 + std::fabs(value);
  }
  return values;
}

}  // namespace

std::string LayerUse::ToString() const {
  return Concat(example.type, " { ", example.options, " } by ", options.engine, " on ",
                crema::ToString(options.device),
                options.phase == Phase::kTrain ? ", TRAIN" : ", TEST",
                options.layout == Layout::kPlain ? "" : ", channels-last",
                options.in_place ? ", in place" : "");
}

std::vector<std::string> EnginesOf(const std::string& type, DeviceKind device) {
  std::vector<std::string> names;
  for (const EngineEntry& entry : EnginesFor(type, device)) {
    if (entry.engine.find("OF_TESTS") == std::string::npos) names.push_back(entry.Name());
  }
  return names;
}

std::vector<LayerUse> LayerUses::Of(const std::string& type) {
  std::vector<LayerUse> uses;
  const auto add = [&](const std::vector<LayerExample>& examples, bool own_code) {
    for (const LayerExample& example : examples) {
      if (example.type != type || example.bottoms.empty()) continue;
      for (const DeviceKind device : TestDevices()) {
        if (device == DeviceKind::kCuda && !WhyNoCuda().empty()) continue;
        RunnerOptions options;
        options.device = device;
        if (own_code) Add(example, options, &uses);
        options.dtype = DType::kFloat32;
        for (const std::string& engine : EnginesOf(type, device)) {
          options.engine = engine;
          Add(example, options, &uses);
        }
      }
    }
  };
  add(LayerExamples(), true);
  add(EngineExamples(), false);
  return uses;
}

void LayerUses::Add(const LayerExample& example, const RunnerOptions& options,
                    std::vector<LayerUse>* uses) {
  for (const Phase phase : {Phase::kTrain, Phase::kTest}) {
    LayerUse usual{example, options, {}};
    usual.options.phase = phase;
    if (!CanPlan(&usual)) return;
    for (const Layout layout : {Layout::kPlain, Layout::kChannelsLast}) {
      const bool is_last = layout == Layout::kChannelsLast;
      if (is_last ? !usual.traits.accepts_channels_last : usual.traits.needs_channels_last)
        continue;
      if (is_last && !HasImageAxes(example)) continue;
      for (const bool in_place : {false, true}) {
        if (in_place && !usual.traits.may_run_in_place) continue;
        LayerUse use = usual;
        use.options.layout = layout;
        use.options.in_place = in_place;
        if (CanPlan(&use)) uses->push_back(use);
      }
    }
  }
}

// An engine may refuse; our own code takes all examples.
bool LayerUses::CanPlan(LayerUse* use) {
  try {
    use->traits = Make(*use)->layer().traits();
  } catch (const Error&) {
    if (use->options.engine == "CAFFE") throw;
    return false;
  }
  return true;
}

std::unique_ptr<LayerRunner> LayerUses::Make(const LayerUse& use) {
  const std::string folder = Concat(temp_.path(), "/", folders_++);
  std::filesystem::create_directories(folder);
  const std::vector<Shape>& bottoms = use.example.bottoms;
  RunnerOptions options = use.options;
  options.tops = use.example.tops;
  auto runner = std::make_unique<LayerRunner>(ExampleLayer(use.example, folder).ShortDebugString(),
                                              bottoms, options);
  for (size_t b = 0; b < bottoms.size(); ++b) {
    runner->SetBottom(static_cast<int>(b), ValuesFor(use.example, b));
  }
  return runner;
}

}  // namespace crema::test
