// A net whose layers take a part of the batch at a time, in two lanes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "crema/dev/compile.h"
#include "net/net_test_util.h"

namespace crema::test {

// Layers a, r and b take 2 of 8 images at a time: x and b are whole, a lies between them.
inline std::string SlicedText() {
  const auto conv = [](const std::string& name, const std::string& bottom) {
    return Layer(name, "Convolution", {bottom}, {name},
                 "convolution_param { kernel_size: 3 pad: 1 num_output: 4 "
                 "weight_filler { type: 'gaussian' std: 0.4 } }");
  };
  return "engine: 'CAFFE' " + Input("x", {8, 2, 16, 16}) + conv("a", "x") +
         Layer("r", "ReLU", {"a"}, {"a"}) + conv("b", "a") + Product("fc", "b", "fc", 300) +
         Layer("s", "Softmax", {"fc"}, {"s"});
}

inline CompileOptions SlicedOptions() {
  CompileOptions options;
  options.backward = false;
  options.processors = 2;
  options.slice_bytes = 20 << 10;
  return options;
}

inline Graph SlicedGraph() {
  return CompileNet(ParseNet(SlicedText(), proto::TEST), DeviceKind::kCpu, SlicedOptions());
}

// By name; the last of several.
inline int BlobOf(const Graph& graph, const std::string& name) {
  for (size_t i = graph.blobs.size(); i-- > 0;) {
    if (graph.blobs[i].name == name) return static_cast<int>(i);
  }
  Fail("the test names the blob '", name, "', which the graph does not have");
}

// By name.
inline int LayerOf(const Graph& graph, const std::string& name) {
  for (size_t i = 0; i < graph.layers.size(); ++i) {
    if (graph.layers[i].layer->name() == name) return static_cast<int>(i);
  }
  Fail("the test names the layer '", name, "', which the graph does not have");
}

// Of its values.
inline int64_t AddressOf(const Blob& blob) {
  return reinterpret_cast<int64_t>(blob.data_tensor().raw());
}

}  // namespace crema::test
