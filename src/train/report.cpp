#include "train/report.h"

#include <cmath>

#include "crema/base/error.h"

namespace crema {

std::string FormatNumber(double value) {
  if (std::isnan(value)) return "nan";
  return Concat(static_cast<float>(value));
}

std::vector<OutputElement> ReadOutputs(const Net& net) {
  std::vector<OutputElement> elements;
  for (int output : net.graph().outputs) {
    const BlobNode& node = net.graph().blobs[output];
    for (double value : net.blob(output).data_tensor().ToHost<double>()) {
      elements.push_back({node.name, node.loss_weight, value});
    }
  }
  return elements;
}

std::string FormatOutput(const OutputElement& output) {
  std::string text = output.blob + " = " + FormatNumber(output.value);
  if (output.loss_weight != 0) {
    text += Concat(" (* ", output.loss_weight, " = ",
                   FormatNumber(output.loss_weight * output.value), " loss)");
  }
  return text;
}

}  // namespace crema
