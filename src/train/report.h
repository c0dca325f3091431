// The words in which training and testing report results, which people's scripts parse.
#pragma once

#include <string>
#include <vector>

#include "crema/net/net.h"

namespace crema {

// As a C++ stream prints a float, but never "-nan".
std::string FormatNumber(double value);

// One element of one output blob of a net.
struct OutputElement {
  std::string blob;
  float loss_weight;
  double value;
};

// All elements of all outputs, in the net's order. Waits for the device.
std::vector<OutputElement> ReadOutputs(const Net& net);

// "accuracy = 0.99", or "loss = 0.03 (* 1 = 0.03 loss)".
std::string FormatOutput(const OutputElement& output);

}  // namespace crema
