#include "crema/dev/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "crema.pb.h"
#include "layer/held_registrations.h"
#include "schema/schema_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

proto::LayerParameter Config(const std::string& type) {
  proto::LayerParameter config;
  config.set_name("here");
  config.set_type(type);
  return config;
}

class RegistryTest : public LayerTest {};
CREMA_ON_ALL_DEVICES(RegistryTest);

TEST_P(RegistryTest, MakesLayersOfEachDevice) {
  const std::vector<std::string> types = LayerTypes(device());
  EXPECT_TRUE(std::is_sorted(types.begin(), types.end()));
  EXPECT_TRUE(std::binary_search(types.begin(), types.end(), "ReLU"));
  const std::unique_ptr<Layer> layer = CreateLayer(Config("ReLU"), Phase::kTest, device());
  EXPECT_EQ(layer->name(), "here");
  EXPECT_EQ(layer->type(), "ReLU");
  EXPECT_EQ(layer->phase(), Phase::kTest);
}

// Without those that tests register for themselves.
std::vector<std::string> ShippedTypes(DeviceKind device) {
  std::vector<std::string> types = LayerTypes(device);
  const auto of_tests = [](const std::string& type) {
    return type.find("OfTests") != std::string::npos;
  };
  types.erase(std::remove_if(types.begin(), types.end(), of_tests), types.end());
  return types;
}

// The same files are compiled for each target.
TEST_P(RegistryTest, DevicesHaveTheSameLayers) {
  EXPECT_EQ(ShippedTypes(device()), ShippedTypes(DeviceKind::kCpu));
}

// Nothing is registered for CUDA in most builds: asking must not make an entry, which another
// thread would stumble over. (ThreadSanitizer sees it if it does.)
TEST(RegistryThreadsTest, ManyMayAskAtOnce) {
  std::atomic<int> made{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&made] {
      for (int i = 0; i < 50; ++i) {
        for (const DeviceKind kind : {DeviceKind::kCuda, DeviceKind::kCpu, DeviceKind::kFake}) {
          EnginesFor("ReLU", kind);
          EngineNames(kind);
          LayerTypes(kind);
        }
        if (CreateLayer(Config("ReLU"), Phase::kTest, DeviceKind::kCpu) != nullptr) ++made;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 4 * 50);
}

LayerFactory MakesReluOf(const char* type) {
  return [type](const proto::LayerParameter&, Phase phase) {
    return CreateLayer(Config(type), phase, DeviceKind::kCpu);
  };
}

// What others have found stays where it is. (ThreadSanitizer sees it if it does not.)
TEST(RegistryThreadsTest, OthersReadWhileSomethingIsAdded) {
  std::atomic<bool> ends{false};
  const std::vector<EngineEntry>& engines = EnginesFor("ReLU", DeviceKind::kCpu);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      size_t most = 0;
      do {
        most = std::max(most, EnginesFor("ReLU", DeviceKind::kFake).size() + engines.size());
        most = std::max(most, LayerTypes(DeviceKind::kFake).size());
      } while (!ends);
      EXPECT_GT(most, 0u);
    });
  }
  for (int i = 0; i < 5; ++i) {
    RegisterLayer(Concat("Added", i, "OfTests"), DeviceKind::kFake, MakesReluOf("ReLU"));
    RegisterEngine("AddedOfTests", DeviceKind::kFake, {Concat("AddedOfTests", i), {}, {}});
  }
  ends = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(EnginesFor("AddedOfTests", DeviceKind::kFake).size(), 5u);
}

// Those of a plug-in: all of them or none, and not before all are known.
TEST(RegistryHeldTest, AllAtOnceOrNone) {
  const auto has = [](const std::string& type) {
    const std::vector<std::string> types = LayerTypes(DeviceKind::kFake);
    return std::binary_search(types.begin(), types.end(), type);
  };
  {
    HeldRegistrations held;
    EXPECT_TRUE(held.empty());
    RegisterLayer("HeldOfTests", DeviceKind::kFake, MakesReluOf("ReLU"));
    EXPECT_FALSE(held.empty());
    EXPECT_FALSE(has("HeldOfTests"));
    held.Publish();
    EXPECT_TRUE(has("HeldOfTests"));
  }
  {
    HeldRegistrations held;
    RegisterLayer("RefusedOfTests", DeviceKind::kFake, MakesReluOf("ReLU"));
    RegisterLayer("HeldOfTests", DeviceKind::kFake, MakesReluOf("ReLU"));
    ExpectError([&] { held.Publish(); }, {"'HeldOfTests'", "registered twice"});
  }
  EXPECT_FALSE(has("RefusedOfTests"));
}

TEST(RegistryErrorTest, UnknownTypes) {
  const auto create = [](const std::string& type) {
    return [type] { CreateLayer(Config(type), Phase::kTrain, DeviceKind::kCpu); };
  };
  ExpectError(create("Relu"), {"layer 'here'", "'Relu'", "did you mean 'ReLU'"});
  ExpectError(create(""), {"layer 'here'", "no type"});
  EXPECT_EQ(ErrorOf(create("Xyzzyplugh")),
            "layer 'here' has the unknown type 'Xyzzyplugh'; is a plug-in missing (--plugins, "
            "CREMA_PLUGINS)? `crema help` lists the types that there are");
  ExpectError(create("PriorBox"), {"PriorBox", "SSD"});
  ExpectError(create("ImageLabelmapData"), {"ImageLabelmapData", "HED"});
  EXPECT_EQ(ErrorOf(create("ROIPooling")),
            "layer 'here' has the unknown type 'ROIPooling' (from Fast R-CNN); crema has no layer "
            "of this type; write it in C++ (see docs/adding_a_layer.md)");
}

// The nearest name would be that of a layer which computes something else.
TEST(RegistryErrorTest, TypesThatAnotherStandsInFor) {
  const auto error = [](const std::string& type) {
    return ErrorOf([&] { CreateLayer(Config(type), Phase::kTrain, DeviceKind::kCpu); });
  };
  EXPECT_EQ(
      error("ReLU6"),
      "layer 'here' has the unknown type 'ReLU6' (from MobileNet ports); write type: \"Clip\" "
      "with clip_param { min: 0 max: 6 }");
  EXPECT_EQ(
      error("CuDNNConvolution"),
      "layer 'here' has the unknown type 'CuDNNConvolution'; write type: \"Convolution\" with "
      "convolution_param { engine: CUDNN }");
  for (const std::string type : {"DepthwiseConvolution", "ConvolutionDepthwise"}) {
    EXPECT_EQ(error(type),
              "layer 'here' has the unknown type '" + type +
                  "' (from MobileNet ports); write type: \"Convolution\", and set group "
                  "in convolution_param to the number of channels of its bottom, which "
                  "num_output usually is");
  }
}

TEST(RegistryErrorTest, PythonLayersSayWhatToDo) {
  proto::LayerParameter config = Config("Python");
  config.mutable_python_param()->set_module("pyloss");
  config.mutable_python_param()->set_layer("Euclidean");
  ExpectError([&] { CreateLayer(config, Phase::kTrain, DeviceKind::kCpu); },
              {"layer 'here' (Python, pyloss.Euclidean)", "in C++", "docs/adding_a_layer.md"});
}

TEST(RegistryErrorTest, OneTypeTwice) {
  ExpectError([] { RegisterLayer("ReLU", DeviceKind::kCpu, {}); },
              {"'ReLU'", "registered twice", "rename one"});
  EXPECT_NE(CreateLayer(Config("ReLU"), Phase::kTest, DeviceKind::kCpu), nullptr);
  const EngineEntry entry{"TwiceOfTests", {}, {}};
  RegisterEngine("NoLayerOfTests", DeviceKind::kFake, entry);
  ExpectError([&] { RegisterEngine("NoLayerOfTests", DeviceKind::kFake, entry); },
              {"TwiceOfTests", "'NoLayerOfTests'", "twice"});
}

// Files name what differs from the engine's usual way; people see all of it.
TEST(EngineEntryTest, HasANameAndATitle) {
  EngineEntry entry{"LIBRARY", {}, {}};
  EXPECT_EQ(entry.Name(), "LIBRARY");
  EXPECT_EQ(entry.Title(), "LIBRARY");
  entry.algorithm = "WAY";
  EXPECT_EQ(entry.Name(), "WAY");
  EXPECT_EQ(entry.Title(), "LIBRARY/WAY");
  EXPECT_FALSE(entry.IsCalled("LIBRARY"));
  entry.algorithm = "";
  entry.precision = Precision::kBFloat16;
  EXPECT_EQ(entry.Name(), "BF16");
  EXPECT_EQ(entry.Title(), "LIBRARY/BF16");
  EXPECT_TRUE(entry.IsCalled("BF16") && entry.IsCalled("LIBRARY/BF16"));
}

TEST(EngineEntryTest, AnEngineMayHaveATypeInSeveralWays) {
  RegisterEngine("WaysOfTests", DeviceKind::kFake, {"LIBRARY_OF_TESTS", {}, {}});
  RegisterEngine("WaysOfTests", DeviceKind::kFake, {"LIBRARY_OF_TESTS", {}, {}, "WAY_OF_TESTS"});
  EXPECT_EQ(EnginesFor("WaysOfTests", DeviceKind::kFake).size(), 2u);
  EXPECT_TRUE(HasEngine("WAY_OF_TESTS", DeviceKind::kFake));
  EXPECT_TRUE(HasEngine("LIBRARY_OF_TESTS/WAY_OF_TESTS", DeviceKind::kFake));
  EXPECT_FALSE(HasEngine("WAY_OF_TESTS", DeviceKind::kCpu));
  ExpectError(
      [] {
        RegisterEngine("WaysOfTests", DeviceKind::kFake, {"LIBRARY_OF_TESTS", {}, {}});
      },
      {"LIBRARY_OF_TESTS", "'WaysOfTests'", "twice"});
}

}  // namespace
}  // namespace crema::test
