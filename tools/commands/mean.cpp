// crema mean: the mean image of a database, and the mean of each channel.
#include "data/mean.h"

#include <gflags/gflags.h>
#include <glog/logging.h>

#include <iostream>
#include <optional>

#include "base/same_file.h"
#include "commands/command.h"
#include "crema/error.h"
#include "progress.h"
#include "schema/binary_io.h"

DECLARE_string(backend);

namespace crema {

int RunMean(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.size() > 2) {
    throw UsageError(
        "crema mean takes a database and, to save the mean, a file: DB [OUT.binaryproto]");
  }
  if (arguments.size() == 2) {
    CheckIsNoInput(arguments[1], {arguments[0]});
    CheckWritable(arguments[1]);
  }
  std::optional<Progress> progress;
  const MeanImage mean =
      ComputeMean(ParseBackend(FLAGS_backend), arguments[0], [&](uint64_t done, uint64_t all) {
        if (!progress) progress.emplace("reading", "records", all);
        progress->Set(done);
      });
  progress.reset();
  if (arguments.size() == 2) {
    LOG(INFO) << "Write to " << arguments[1];
    WriteMeanFile(mean, arguments[1]);
  }
  LOG(INFO) << "Number of channels: " << mean.channels.size();
  for (size_t c = 0; c < mean.channels.size(); ++c) {
    LOG(INFO) << "mean_value channel [" << c << "]: " << mean.channels[c];
    std::cout << "mean_value: " << mean.channels[c] << "\n";  // as transform_param takes it
  }
  return 0;
}

}  // namespace crema
