// The flags that several commands take, with Caffe's names and meanings.
#include "commands/flags.h"

#include <glog/logging.h>

#include <cstdlib>

#include "base/strings.h"
#include "commands/command.h"
#include "crema.pb.h"
#include "crema/base/error.h"
#include "dummy_data.h"
#include "schema/upgrade.h"

DEFINE_string(gpu, "", "Run on this GPU (its number); without it, on the CPU");
DEFINE_string(solver, "", "The solver file (prototxt)");
DEFINE_string(model, "", "The net file (prototxt)");
DEFINE_string(weights, "", "Weights (.caffemodel) to begin with, several separated by commas");
DEFINE_string(phase, "", "TRAIN or TEST: which layers the net has");
DEFINE_int32(level, 0, "The level of the net's state, for include and exclude rules");
DEFINE_string(stage, "", "The stages of the net's state, separated by commas");
DEFINE_string(
    engine, "",
    "CAFFE, ONEDNN, WINOGRAD or BF16: the engine of every layer that has it (or CREMA_ENGINE)");
DEFINE_string(dummy_data, "", "Random data for data sets: NxCxHxW, where the net does not say");
DEFINE_bool(no_fuse, false, "Run every layer by itself");
DEFINE_bool(no_slices, false, "Run every layer for the whole batch at once");
DEFINE_int32(iterations, 50, "How many batches to run");

namespace crema {

void TakesNoArguments(const std::vector<std::string>& arguments) {
  if (!arguments.empty()) {
    throw UsageError("'" + arguments[0] + "' is not expected here; options begin with --");
  }
}

std::shared_ptr<Device> DeviceFromFlags() {
  if (FLAGS_gpu.empty()) {
    LOG(INFO) << "Use CPU.";
    return OpenDevice(DeviceKind::kCpu);
  }
  if (FLAGS_gpu == "all" || FLAGS_gpu.find(',') != std::string::npos) {
    const size_t gpus = FLAGS_gpu == "all" ? ListCudaDevices().size() : 2;
    if (gpus > 1) Fail("--gpu=", FLAGS_gpu, ": several GPUs are not supported yet; name one");
  }
  int index = 0;
  if (FLAGS_gpu != "all") {
    size_t used = 0;
    try {
      index = std::stoi(FLAGS_gpu, &used);
    } catch (const std::exception&) {
    }
    if (used != FLAGS_gpu.size() || index < 0) {
      throw UsageError("--gpu=" + FLAGS_gpu + ": give the number of a GPU, or all");
    }
  }
  auto device = OpenDevice(DeviceKind::kCuda, index);
  LOG(INFO) << "Using GPU " << index << ": " << device->name();
  return device;
}

Phase PhaseFromFlags(Phase otherwise) {
  if (FLAGS_phase.empty()) return otherwise;
  if (FLAGS_phase == "TRAIN") return Phase::kTrain;
  if (FLAGS_phase == "TEST") return Phase::kTest;
  throw UsageError("--phase=" + FLAGS_phase + ": must be TRAIN or TEST");
}

std::string EngineFromFlags() {
  if (!FLAGS_engine.empty()) return FLAGS_engine;
  const char* variable = std::getenv("CREMA_ENGINE");
  return variable == nullptr ? "" : variable;
}

std::vector<std::string> StagesFromFlags() { return SplitList(FLAGS_stage); }

proto::NetParameter NetFromFlags(Phase phase) {
  if (FLAGS_model.empty()) throw UsageError("--model=FILE is missing");
  proto::NetParameter net;
  for (const std::string& change : ReadNetFile(FLAGS_model, &net)) {
    LOG(INFO) << FLAGS_model << ": " << change;
  }
  net.mutable_state()->set_phase(phase == Phase::kTrain ? proto::TRAIN : proto::TEST);
  net.mutable_state()->set_level(FLAGS_level);
  for (const std::string& stage : StagesFromFlags()) net.mutable_state()->add_stage(stage);
  if (!EngineFromFlags().empty()) net.set_engine(EngineFromFlags());
  if (!FLAGS_dummy_data.empty()) ReplaceDataLayers(ParseDummyShape(FLAGS_dummy_data), &net);
  return net;
}

}  // namespace crema
