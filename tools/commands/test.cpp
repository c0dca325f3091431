// crema test: the outputs of a trained net, averaged over batches.
#include <glog/logging.h>

#include "base/strings.h"
#include "commands/command.h"
#include "commands/flags.h"
#include "crema.pb.h"
#include "crema/net/net.h"
#include "train/report.h"

namespace crema {

int RunTest(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments);
  if (FLAGS_weights.empty()) throw UsageError("--weights=FILE is missing");
  if (FLAGS_iterations < 1) throw UsageError("--iterations must be 1 or more");
  const proto::NetParameter config = NetFromFlags(Phase::kTest);
  NetOptions options;
  options.backward = false;
  options.fuse = !FLAGS_no_fuse;
  if (FLAGS_no_slices) options.slice_bytes = 0;
  Net net(config, DeviceFromFlags(), options);
  for (const std::string& path : SplitList(FLAGS_weights)) {
    LOG(INFO) << net.LoadWeights(path).ToString();
  }
  LOG(INFO) << "Running for " << FLAGS_iterations << " iterations.";
  std::vector<OutputElement> means;
  double loss = 0;
  for (int i = 0; i < FLAGS_iterations; ++i) {
    net.Forward(static_cast<uint64_t>(i));
    const std::vector<OutputElement> outputs = ReadOutputs(net);
    net.CheckAfterForward();
    loss += net.loss().ToHost<double>()[0];
    if (i == 0) means = outputs;
    for (size_t k = 0; k < outputs.size(); ++k) {
      if (i > 0) means[k].value += outputs[k].value;
      LOG(INFO) << "Batch " << i << ", " << outputs[k].blob << " = "
                << FormatNumber(outputs[k].value);
    }
  }
  LOG(INFO) << "Loss: " << FormatNumber(loss / FLAGS_iterations);
  for (OutputElement& mean : means) {
    mean.value /= FLAGS_iterations;
    LOG(INFO) << FormatOutput(mean);
  }
  return 0;
}

}  // namespace crema
