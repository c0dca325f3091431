// A small valid use of every layer type, for tests that go through all of them.
#pragma once

#include <string>
#include <vector>

#include "crema.pb.h"
#include "crema/shape.h"

namespace crema::test {

struct LayerExample {
  std::string type;
  std::vector<Shape> bottoms;
  int tops = 1;
  std::string options = {};  // FOLDER stands for the folder of the data
};

// One or several of each type; several where some options exclude each other.
const std::vector<LayerExample>& LayerExamples();

// The types of LayerExamples, each once.
std::vector<std::string> ExampleTypes();

// What the examples read, in an empty folder.
void WriteExampleData(const std::string& folder);

// The layer, named 'l', with bottoms b0, b1 ... and tops t0, t1 ...
proto::LayerParameter ExampleLayer(const LayerExample& example, const std::string& folder);

// The layer behind one Input layer for each of its bottoms. Every top counts as a loss, and all
// bottoms get gradients where that can be.
proto::NetParameter ExampleNet(const LayerExample& example, const proto::LayerParameter& layer,
                               proto::Phase phase);

}  // namespace crema::test
