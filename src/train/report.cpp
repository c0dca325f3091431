#include "train/report.h"

#include <glog/logging.h>

#include <cmath>

#include "base/strings.h"
#include "crema/error.h"

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

void CheckSomeMatched(const WeightsReport& report, const std::string& path,
                      const std::string& net) {
  if (!report.copied.empty()) return;
  if (report.skipped.empty()) Fail(InFile(path), ": has no weights");
  const auto first = [](std::vector<std::string> names) {
    constexpr size_t kShown = 3;
    const bool more = names.size() > kShown;
    if (more) names.resize(kShown);
    return Join(names) + (more ? ", ..." : "");
  };
  Fail(InFile(path), ": none of its layers (", first(report.skipped),
       ") has the name of a layer of net '", net, "' that learns (",
       report.left_out.empty() ? "it has none" : first(report.left_out),
       "); weights are found by the names of layers, so use weights of this net, or rename its "
       "layers");
}

void CheckNoOpenInputs(const Net& net, const std::string& advice) {
  std::vector<std::string> inputs;
  for (const LayerNode& node : net.graph().layers) {
    if (!node.traits.tops_take_any_shape) continue;
    for (int top : node.tops) inputs.push_back("'" + net.graph().blobs[top].name + "'");
  }
  if (inputs.empty()) return;
  Fail("net '", net.name(), "': nothing fills its input ", Join(inputs), "; ", advice);
}

void WarnOfLargeOutputs(const Net& net) {
  constexpr int64_t kMost = 1000;  // 100 images of 10 classes, or one of ImageNet's
  for (int output : net.graph().outputs) {
    const BlobNode& blob = net.graph().blobs[output];
    if (blob.shape.count() <= kMost) continue;
    LOG(WARNING) << Concat("No layer reads the blob '", blob.name, "', so each of its ",
                           blob.shape.count(),
                           " numbers is an output and is logged; correct the bottom of the layer "
                           "that was meant to read it, or add a layer of type Silence");
  }
}

void LogObserver::OnStart(const TrainStart& start) {
  LOG(INFO) << "Solving " << start.net;
  LOG(INFO) << "Learning Rate Policy: " << start.lr_policy;
}

void LogObserver::OnDisplay(const TrainPoint& point) {
  if (point.last) {
    LOG(INFO) << Concat("Iteration ", point.iteration, ", loss = ", FormatNumber(point.loss));
    return;
  }
  const double rate =
      static_cast<double>(point.iterations) / (point.seconds > 0 ? point.seconds : 1);
  LOG(INFO) << Concat("Iteration ", point.iteration, " (", FormatNumber(rate), " iter/s, ",
                      FormatNumber(point.seconds), "s/", display_,
                      " iters), loss = ", FormatNumber(point.loss));
  if (point.waited.has_value()) {  // a line of its own, which programs for Caffe's logs pass over
    LOG(INFO) << "    Waited for data: " << FormatNumber(std::round(1000 * *point.waited) / 10)
              << " % of the time";
  }
  int number = 0;
  for (const OutputElement& output : point.outputs) {
    LOG(INFO) << Concat("    Train net output #", number++, ": ", FormatOutput(output));
  }
  LOG(INFO) << Concat("Iteration ", point.iteration, ", lr = ", FormatNumber(point.learning_rate));
}

void LogObserver::OnTestStart(int64_t iteration, int net) {
  LOG(INFO) << Concat("Iteration ", iteration, ", Testing net (#", net, ")");
}

void LogObserver::OnTest(const TestPoint& point) {
  if (point.loss.has_value()) LOG(INFO) << "Test loss: " << FormatNumber(*point.loss);
  int number = 0;
  for (const OutputElement& output : point.outputs) {
    LOG(INFO) << Concat("    Test net output #", number++, ": ", FormatOutput(output));
  }
}

}  // namespace crema
