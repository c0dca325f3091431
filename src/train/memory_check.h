// Whether a training, or a net that only runs, fits into memory, before any is taken.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "crema/net.h"

namespace crema {

namespace proto {
class NetParameter;
}

struct TrainingPlan {
  const proto::NetParameter* train = nullptr;
  std::vector<const proto::NetParameter*> tests;  // they share the parameters of the train net
  // How errors name them: "test.prototxt, test net #1".
  std::string train_title;
  std::vector<std::string> test_titles;
  // The files of these nets, for the places of errors; "" if a net has none.
  std::string train_file;
  std::vector<std::string> test_files;
  DType dtype = DType::kFloat32;
  DeviceKind device = DeviceKind::kCpu;
  int histories = 0;                     // copies of the parameters that the solver keeps
  int losses = 0;                        // of the last iterations that it keeps
  bool fuse = true, keep_blobs = false;  // see CompileOptions
  int threads = 0;
  size_t train_limit = 0;  // see CompileOptions::memory_limit
};

// What the train net may take where all of the training may take `limit` bytes. Throws Error where
// nothing is left for it.
size_t LimitOfTrainNet(const TrainingPlan& plan, size_t limit);

// Logs what the plan takes. Throws Error where that is more than `available` bytes (0: not known),
// and says which batch size would fit.
void CheckMemory(const TrainingPlan& plan, size_t available);

// A net that runs by itself, forward only. Throws Error where it would take more than `available`
// bytes (0: not known), and says which batch size would fit; no memory is taken before.
std::unique_ptr<Net> MakeNetToRun(const proto::NetParameter& config, std::shared_ptr<Device> device,
                                  NetOptions options, size_t available);

}  // namespace crema
