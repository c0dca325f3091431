// The flags that several commands take, with Caffe's names and meanings.
#include "commands/flags.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstdlib>

#include "base/in_source.h"
#include "base/printable.h"
#include "base/strings.h"
#include "commands/command.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "crema/error.h"
#include "crema/load_plugins.h"
#include "dummy_data.h"
#include "gpu_list.h"
#include "schema/upgrade.h"

DEFINE_string(
    gpu, "",
    "The number of the GPU to run on, or all if there is only one; the default is the CPU");
DEFINE_string(solver, "", "The solver file (prototxt)");
DEFINE_string(model, "", "The net file (prototxt)");
DEFINE_string(weights, "", "Weights to load (.caffemodel or .h5); separate several with commas");
DEFINE_string(phase, "", "TRAIN or TEST, which decides what layers the net has (default: TRAIN)");
DEFINE_int32(level, 0, "The level of the net's state, for include and exclude rules");
DEFINE_string(stage, "", "The stages of the net's state; separate several with commas");
DEFINE_string(engine, "",
              "The engine of all layers that have it: CAFFE, ONEDNN, WINOGRAD or BF16; the "
              "environment variable CREMA_ENGINE does the same");
DEFINE_string(
    dummy_data, "",
    "Use random images of this shape (N x C x H x W, such as 4x3x224x224) instead of data "
    "sets, whatever batch and crop size the net has; in a net without data sets, its Input or "
    "DummyData layer gets this shape; 0 keeps the net's own number");
DEFINE_bool(verbose, false, "Print everything that is known about each layer, in long lines");
DEFINE_bool(no_fuse, false, "Do not fuse layers");
DEFINE_bool(no_slices, false, "Run every layer for the whole batch at once");
DEFINE_int32(threads, 0,
             "The number of threads that compute on the CPU; 0: one per processor that the process "
             "may use (by its affinity and cgroup quota), or fewer if OMP_NUM_THREADS is lower");
DEFINE_string(
    plugins, "",
    "Plug-ins to load (.so), which bring layers; give the flag once and separate several "
    "with commas; those of the environment variable CREMA_PLUGINS are loaded before them");
DEFINE_int32(iterations, 50,
             "The number of batches to run (default: 50; for test, one pass over the data)");

namespace crema {
namespace {

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The flag that a file was probably given for, by its name; "" if it was for none. `text_flag`:
// that for texts.
std::string FlagFor(const std::string& path, const std::string& text_flag) {
  if (path[0] == '-') return "";
  if (EndsWith(path, ".solverstate") || EndsWith(path, ".solverstate.h5")) return "snapshot";
  if (EndsWith(path, ".caffemodel") || EndsWith(path, ".caffemodel.h5")) return "weights";
  return EndsWith(path, ".prototxt") ? text_flag : "";
}

}  // namespace

void TakesNoArguments(const std::vector<std::string>& arguments, const std::string& text_flag) {
  if (arguments.empty()) return;
  const std::string& argument = arguments[0];
  const std::string flag = FlagFor(argument, text_flag);
  throw UsageError(
      "unexpected argument '" + argument + "'; " +
      (flag.empty() ? "options start with --" : "did you mean --" + flag + "=" + argument + "?"));
}

std::shared_ptr<Device> DeviceFromFlags(Gpus gpus) {
  if (FLAGS_gpu.empty()) {
    LOG(INFO) << "Use CPU.";
    return OpenDevice(DeviceKind::kCpu);
  }
  const std::vector<int> wanted =
      ParseGpus(FLAGS_gpu, static_cast<int>(ListCudaDevices().size()), WhyNoCuda());
  if (wanted.size() > 1) {
    if (gpus == Gpus::kOne) {
      Fail("--gpu=", FLAGS_gpu, " asks for ", wanted.size(),
           " GPUs, but crema trains with only one; choose one, as in --gpu=", wanted[0]);
    }
    LOG(WARNING) << "--gpu=" << FLAGS_gpu << ": only GPU " << wanted[0] << " is used";
  }
  auto device = OpenDevice(DeviceKind::kCuda, wanted[0]);
  LOG(INFO) << "Using GPU " << wanted[0] << ": " << device->name();
  return device;
}

Phase PhaseFromFlags(Phase otherwise) {
  if (FLAGS_phase.empty()) return otherwise;
  if (FLAGS_phase == "TRAIN") return Phase::kTrain;
  if (FLAGS_phase == "TEST") return Phase::kTest;
  throw UsageError("--phase=" + FLAGS_phase + ": must be TRAIN or TEST");
}

int ThreadsFromFlags() {
  constexpr int kMost = 1024;
  if (FLAGS_threads < 0 || FLAGS_threads > kMost) {
    throw UsageError(Concat("--threads=", FLAGS_threads, ": must be from 0 to ", kMost));
  }
  return FLAGS_threads;
}

namespace {

// `origin` is where the name comes from. A net would name none of that.
std::string CheckedEngine(const std::string& origin, const std::string& engine) {
  std::vector<std::string> known = {"DEFAULT"};
  for (const DeviceKind device : {DeviceKind::kCpu, DeviceKind::kCuda}) {
    for (const std::string& name : EngineNames(device)) known.push_back(name);
  }
  if (std::find(known.begin(), known.end(), engine) != known.end()) return engine;
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  const std::string near = Nearest(engine, known);
  Fail(origin, Printable(engine), ": this build of crema has no such engine; ",
       near.empty() ? "" : "did you mean " + near + "? ", "use one of ", Join(known));
}

}  // namespace

std::string EngineFromFlags() {
  if (!FLAGS_engine.empty()) return CheckedEngine("--engine=", FLAGS_engine);
  const char* const variable = std::getenv("CREMA_ENGINE");
  const bool is_set = variable != nullptr && variable[0] != '\0';
  return is_set ? CheckedEngine("the environment variable CREMA_ENGINE=", variable) : "";
}

std::vector<std::string> NamesFromFlag(const std::string& flag, const std::string& value) {
  const std::vector<std::string> names = SplitList(value);
  const auto commas = static_cast<size_t>(std::count(value.begin(), value.end(), ','));
  if (value.empty() || names.size() == commas + 1) return names;
  throw UsageError("--" + flag + "=" + value + ": a name is missing beside a comma");
}

void LoadPluginsFromFlags() {
  const char* variable = std::getenv("CREMA_PLUGINS");
  if (variable != nullptr) {
    InSource("the environment variable CREMA_PLUGINS", [&] { LoadPlugins(SplitList(variable)); });
  }
  LoadPlugins(NamesFromFlag("plugins", FLAGS_plugins));
}

std::vector<std::string> StagesFromFlags() { return NamesFromFlag("stage", FLAGS_stage); }

namespace {

// A typing error would choose other layers without a word.
void WarnOfUnknownStages(const proto::NetParameter& net) {
  std::vector<std::string> known;
  for (const proto::LayerParameter& layer : net.layer()) {
    for (const auto* rules : {&layer.include(), &layer.exclude()}) {
      for (const proto::NetStateRule& rule : *rules) {
        known.insert(known.end(), rule.stage().begin(), rule.stage().end());
        known.insert(known.end(), rule.not_stage().begin(), rule.not_stage().end());
      }
    }
  }
  for (const std::string& stage : StagesFromFlags()) {
    if (std::find(known.begin(), known.end(), stage) != known.end()) continue;
    const std::string near = Nearest(stage, known);
    LOG(WARNING) << "No layer's rules know the stage '" << stage << "' of --stage"
                 << (near.empty() ? "" : "; did you mean '" + near + "'?");
  }
}

}  // namespace

std::string TitleOfNetFromFlags(Phase phase) {
  return Concat(FLAGS_model, ", phase ", phase == Phase::kTrain ? "TRAIN" : "TEST");
}

proto::NetParameter NetFromFlags(Phase phase) {
  if (FLAGS_model.empty()) throw UsageError("--model=FILE is missing");
  proto::NetParameter net;
  for (const std::string& change : ReadNetFile(FLAGS_model, &net)) {
    LOG(INFO) << FLAGS_model << ": " << change;
  }
  net.mutable_state()->set_phase(phase == Phase::kTrain ? proto::TRAIN : proto::TEST);
  net.mutable_state()->set_level(FLAGS_level);
  for (const std::string& stage : StagesFromFlags()) net.mutable_state()->add_stage(stage);
  WarnOfUnknownStages(net);
  if (!EngineFromFlags().empty()) net.set_engine(EngineFromFlags());
  if (!FLAGS_dummy_data.empty()) {
    const std::vector<std::string> changes =
        ReplaceDataLayers(ParseDummyShape(FLAGS_dummy_data), &net);
    if (changes.empty()) {
      Fail(InFile(FLAGS_model), ": --dummy-data gives images, but no layer of the net in phase ",
           phase == Phase::kTrain ? "TRAIN" : "TEST",
           " reads a data set or makes images (N x C x H x W); leave --dummy-data out");
    }
    for (const std::string& change : changes) LOG(INFO) << change;
  }
  return net;
}

}  // namespace crema
