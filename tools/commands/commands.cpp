// The commands of the tool, in the order in which help lists them.
#include "commands/command.h"

namespace crema {
namespace {

constexpr char kTrainDetails[] =
    "The solver file names the net, the learning rate, and when to test and to save.\n\n"
    "Ctrl-C (SIGINT) and SIGTERM stop training at the end of a layer and save a "
    "snapshot; SIGHUP saves one and training continues. --resume=auto continues from the newest "
    "complete snapshot.\n\n"
    "Exit status: 0 if training is done or Ctrl-C stopped it, 1 after an error, 2 if the "
    "command line is wrong, 143 if SIGTERM stopped it.";

constexpr char kTestDetails[] =
    "Runs the net in phase TEST and prints the mean of each of its outputs to standard "
    "output.\n\n"
    "Without --iterations, every record of the data is used exactly once: if the last batch "
    "would be incomplete, it is made smaller, and means are weighted by the number of records. "
    "If the number of records is not known (as with DummyData or WindowData), 50 batches are "
    "run.";

}  // namespace

const std::vector<Command>& Commands() {
  static const std::vector<Command> commands = {
      {"train",
       "--solver=FILE [options]",
       "train a net, or resume training",
       kTrainDetails,
       {"solver", "snapshot", "resume", "weights", "gpu", "engine", "threads", "level", "stage",
        "sigint_effect", "sighup_effect", "sigterm_effect", "no_fuse", "metrics", "tensorboard",
        "histograms", "verbose", "plugins"},
       RunTrain},
      {"test",
       "--model=FILE --weights=FILE [options]",
       "score a trained net",
       kTestDetails,
       {"model", "weights", "iterations", "gpu", "engine", "threads", "level", "stage", "no_fuse",
        "no_slices", "plugins"},
       RunTest},
      {"time",
       "--model=FILE [options]",
       "measure the speed of a net, layer by layer",
       "In phase TRAIN (the default), times training with SGD, momentum and weight decay: whole "
       "iterations, then each layer. In phase TEST, times forward passes of a net that keeps no "
       "gradients.\n\n"
       "GFLOP/s are also given as a share of what a matrix product (sgemm) reaches on this "
       "machine.",
       {"model", "dummy_data", "iterations", "json", "gpu", "engine", "threads", "phase", "level",
        "stage", "no_fuse", "no_slices", "plugins"},
       RunTime},
      {"show",
       "--model=FILE [options]",
       "print the layers of a net, with shapes and memory",
       "Prints, for each layer, its type, the shape of its output, its learned parameters, the "
       "multiply-adds of a forward pass, and the memory of its outputs and their gradients. On a "
       "terminal, long names are shortened to fit.\n\n"
       "--engines adds which engine runs each layer and why another one cannot. --verbose prints "
       "everything that is known about each layer, in long lines. --summary omits the layers.",
       {"model", "summary", "engines", "verbose", "dummy_data", "gpu", "engine", "threads", "phase",
        "level", "stage", "no_fuse", "no_slices", "plugins"},
       RunShow},
      {"device_query", "[--gpu=ID,...]", "list the usable GPUs", "", {"gpu"}, RunDeviceQuery},
      {"convert", "SOURCE ARGUMENTS... [options]", "make a database from images", ConvertDetails(),
       ConvertFlags(), RunConvert, ConvertForms()},
      {"plot",
       "LOG_OR_METRICS... [--out=FILE]",
       "draw training curves",
       "Reads logs of crema and of Caffe, and files written by train --metrics. Several runs are "
       "drawn over each other.",
       {"out", "x", "metric", "smooth"},
       RunPlot},
      {"mean",
       "DB [OUT.binaryproto] [options]",
       "compute the mean image of a database",
       "Writes the mean image to OUT.binaryproto and prints the mean of each channel.",
       {"backend"},
       RunMean},
      {"version", "", "print the versions of crema and of its libraries", "", {}, RunVersion},
  };
  return commands;
}

const Command* FindCommand(const std::string& name) {
  for (const Command& command : Commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

std::vector<std::string> CommandNames() {
  std::vector<std::string> names = {"help"};
  for (const Command& command : Commands()) names.push_back(command.name);
  return names;
}

}  // namespace crema
