// Compares gradients with differences of the loss: for whoever writes layers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crema/device.h"

namespace crema {

struct GradientCheckOptions {
  std::shared_ptr<Device> device;  // the CPU if it is null
  // Finite values of inputs, by name, in Caffe's order. The others are normal random numbers, the
  // same each time.
  std::map<std::string, std::vector<double>> inputs;
  // How far an element is moved to both sides.
  double step = 1e-5;
  // How far the two may be apart, as a part of the largest gradient of the same blob.
  double tolerance = 1e-5;
  // At most so many elements of each blob are looked at, evenly spread.
  int elements = 200;
};

// Builds a net (text in Caffe's language) in double precision and phase TRAIN, runs it forward and
// backward once, and checks the gradients of its loss for all parameters that learn and all inputs
// that a gradient is computed for. Inputs are blobs that Input layers make; there must be a loss.
// An element where the slopes to both sides differ, as a ReLU's at 0, is left out, but not all that
// are looked at of a blob. Each layer does its own work; then the net is run once more with layers
// that do the work of others (AsPointwise and the like), which must give the same.
//
//   CheckGradients("layer { name: 'in' type: 'Input' top: 'x' top: 't'"
//                  "  input_param { shape { dim: 2 dim: 3 } } }"
//                  "layer { name: 'mine' type: 'Mine' bottom: 'x' top: 'y' }"
//                  "layer { name: 'loss' type: 'EuclideanLoss' bottom: 'y' bottom: 't' }");
//
// Throws Error, which names the blob and the element, if one is wrong; and if the net or an option
// makes no sense, there is no loss, or no gradient of it flows to an input or a parameter.
void CheckGradients(const std::string& net_text, const GradientCheckOptions& options = {});

}  // namespace crema
