// The command-line tool: picks a command, parses its flags, and turns errors into exit statuses:
// 0 success, 1 an error of the user's, told in one sentence, 2 wrong usage (train: 143 where
// SIGTERM stopped it).
#include <gflags/gflags.h>
#include <glog/logging.h>

#include <algorithm>
#include <csignal>
#include <iomanip>
#include <iostream>
#include <new>

#include "base/strings.h"
#include "commands/command.h"
#include "crema/base/brief_waits.h"
#include "crema/base/error.h"
#include "crema/layer/registry.h"

namespace crema {
namespace {

const std::vector<Command>& Commands() {
  static const std::vector<Command> commands = {
      {"train",
       "--solver=FILE [options]",
       "train a net, or go on training it",
       "The solver file names the net, the learning rate, the tests and the snapshots.\n"
       "Ctrl-C (SIGINT) and SIGTERM stop after the iteration and save a snapshot; SIGHUP saves "
       "one\n"
       "and goes on. --resume=auto goes on from the newest whole snapshot.\n"
       "Exit status: 0 done or stopped by Ctrl-C, 1 an error, 2 wrong usage, 143 stopped by "
       "SIGTERM.",
       {"solver", "snapshot", "resume", "weights", "gpu", "engine", "level", "stage",
        "sigint_effect", "sighup_effect", "sigterm_effect", "no_fuse", "metrics", "tensorboard",
        "histograms"},
       RunTrain},
      {"test",
       "--model=FILE --weights=FILE [options]",
       "score a trained net",
       "Runs the net in phase TEST and prints the mean of its outputs over all batches.",
       {"model", "weights", "iterations", "gpu", "engine", "level", "stage", "no_fuse",
        "no_slices"},
       RunTest},
      {"time",
       "--model=FILE [options]",
       "measure a net's speed, layer by layer",
       "In phase TRAIN, the usual one: training with SGD, momentum and weight decay, as whole\n"
       "iterations and by layer. In phase TEST: forward passes of a net that keeps no gradients.\n"
       "GFLOP/s are also given as shares of what a matrix product (sgemm) reaches here and now.",
       {"model", "dummy_data", "iterations", "json", "gpu", "engine", "phase", "level", "stage",
        "no_fuse", "no_slices"},
       RunTime},
      {"show",
       "--model=FILE [options]",
       "print a net's compiled plan",
       "For each layer: its engine, memory layout, blobs and their shapes, parameters.",
       {"model", "dummy_data", "gpu", "engine", "phase", "level", "stage", "no_fuse", "no_slices"},
       RunShow},
      {"device_query",
       "[--gpu=ID,...]",
       "list the GPUs that can be used",
       "",
       {"gpu"},
       RunDeviceQuery},
      {"convert", "SOURCE ARGUMENTS... [options]", "make a database from images", ConvertDetails(),
       ConvertFlags(), RunConvert},
      {"plot",
       "LOG_OR_METRICS... [--out=FILE]",
       "draw training curves",
       "Reads logs of crema and of Caffe, and files of train --metrics. Several are overlaid.",
       {"out", "x", "metric", "smooth"},
       RunPlot},
      {"mean",
       "DB OUT.binaryproto [options]",
       "compute the mean image of a database",
       "",
       {"backend"},
       RunMean},
  };
  return commands;
}

const Command* FindCommand(const std::string& name) {
  for (const Command& command : Commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

void PrintUsage(std::ostream& out) {
  out << "crema trains and runs convolutional networks written in Caffe's language.\n\n"
         "usage: crema COMMAND [options]\n\ncommands:\n";
  for (const Command& command : Commands()) {
    out << "  " << std::left << std::setw(14) << command.name << command.summary << "\n";
  }
  out << "  " << std::setw(14) << "help"
      << "this page; `crema help NAME` is one on a command, a layer, solver, "
      << "net or layer\n"
      << "\ncrema COMMAND --help tells more about a command.\n";
}

void PrintHelp(const Command& command) {
  std::cout << "usage: crema " << command.name << " " << command.arguments << "\n\n"
            << command.summary << "\n";
  if (command.details[0] != '\0') std::cout << "\n" << command.details << "\n";
  std::cout << "\noptions:\n";
  for (const std::string& name : command.flags) {
    const gflags::CommandLineFlagInfo flag = gflags::GetCommandLineFlagInfoOrDie(name.c_str());
    std::cout << "  --" << std::left << std::setw(16) << flag.name << " " << flag.description;
    if (!flag.default_value.empty()) std::cout << " (default: " << flag.default_value << ")";
    std::cout << "\n";
  }
  std::cout << "\nThe log goes to standard error; --minloglevel=1 keeps it to warnings.\n";
}

int RunHelp(const std::vector<std::string>& arguments) {
  const Command* command = arguments.empty() ? nullptr : FindCommand(arguments[0]);
  if (arguments.empty()) {
    PrintUsage(std::cout);
    PrintLayerList();
  } else if (arguments[0] == "layers") {
    for (const std::string& type : LayerTypes(DeviceKind::kCpu)) std::cout << type << "\n";
  } else if (command != nullptr) {
    PrintHelp(*command);
  } else {
    PrintManual(arguments);
  }
  return 0;
}

// Flags of glog that every command takes.
const std::vector<std::string>& LogFlags() {
  static const std::vector<std::string> flags = {"logtostderr",     "alsologtostderr", "log_dir",
                                                 "minloglevel",     "stderrthreshold", "v",
                                                 "colorlogtostderr"};
  return flags;
}

void SetFlag(const Command& command, const std::string& name, const std::string& value) {
  if (gflags::SetCommandLineOption(name.c_str(), value.c_str()).empty()) {
    const auto flag = gflags::GetCommandLineFlagInfoOrDie(name.c_str());
    throw UsageError("--" + name + "=" + value + ": is not a value of type " + flag.type +
                     "; see `crema " + command.name + " --help`");
  }
}

// Accepts -name=value, --name=value, --name value, and --name for switches, as gflags does, but
// only the command's own flags. Returns the other arguments.
std::vector<std::string> ParseFlags(const Command& command, std::vector<std::string> words) {
  std::vector<std::string> known = command.flags, rest;
  known.insert(known.end(), LogFlags().begin(), LogFlags().end());
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].size() < 2 || words[i][0] != '-') {
      rest.push_back(words[i]);
      continue;
    }
    const std::string word = words[i].substr(words[i].find_first_not_of('-') == 1 ? 1 : 2);
    const size_t equals = word.find('=');
    std::string name = word.substr(0, equals);
    std::replace(name.begin(), name.end(), '-', '_');
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string near = Nearest(name, known);
      throw UsageError("crema " + std::string(command.name) + " has no option --" + name +
                       (near.empty() ? "" : "; did you mean --" + near + "?"));
    }
    const bool is_switch = gflags::GetCommandLineFlagInfoOrDie(name.c_str()).type == "bool";
    if (equals != std::string::npos) {
      SetFlag(command, name, word.substr(equals + 1));
    } else if (is_switch) {
      SetFlag(command, name, "true");
    } else if (i + 1 < words.size()) {
      SetFlag(command, name, words[++i]);
    } else {
      throw UsageError("--" + name + " needs a value");
    }
  }
  return rest;
}

// The word that names the command. Caffe takes flags before it too, and `--gpu 0 train` has the
// flag's value in its place.
std::vector<std::string>::const_iterator FindCommandWord(const std::vector<std::string>& words) {
  const auto is_flag = [](const std::string& word) { return word[0] == '-'; };
  const auto is_command = [](const std::string& word) {
    return word == "help" || FindCommand(word) != nullptr;
  };
  const auto first = std::find_if_not(words.begin(), words.end(), is_flag);
  const bool may_be_value =
      first != words.end() && first != words.begin() && (first - 1)->find('=') == std::string::npos;
  if (!may_be_value || is_command(*first)) return first;
  const auto later = std::find_if(first, words.end(), is_command);
  return later == words.end() ? first : later;
}

int Run(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const auto first = FindCommandWord(words);
  const bool asks_help = std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return word == "--help" || word == "-help" || word == "-h";
  });
  if (first == words.end()) {
    PrintUsage(asks_help ? std::cout : std::cerr);
    return asks_help ? 0 : 2;
  }
  const std::string name = *first;
  words.erase(first);
  if (name == "help") return RunHelp(words);
  const Command* command = FindCommand(name);
  if (command == nullptr) {
    std::vector<std::string> names;
    for (const Command& known : Commands()) names.push_back(known.name);
    const std::string near = Nearest(name, names);
    throw UsageError("there is no command '" + name + "'" +
                     (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
  if (asks_help) {
    PrintHelp(*command);
    return 0;
  }
  const std::vector<std::string> arguments = ParseFlags(*command, words);
  if (!FLAGS_log_dir.empty()) FLAGS_logtostderr = false;  // then glog writes files too
  google::InitGoogleLogging(argv[0]);
  return command->run(arguments);
}

// Messages of libraries (OpenCV) may have several lines.
int Report(std::string message, int status) {
  while (!message.empty() && message.back() == '\n') message.pop_back();
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::cerr << "crema: " << message << std::endl;
  return status;
}

}  // namespace
}  // namespace crema

int main(int argc, char** argv) {
  crema::WaitBriefly(argv);
  FLAGS_alsologtostderr = true;
  FLAGS_logtostderr = true;          // files only where --log_dir or GLOG_log_dir asks for them
  FLAGS_log_year_in_prefix = false;  // as the glog of Caffe's time wrote it
  std::signal(SIGXFSZ, SIG_IGN);  // a file over its limit is an error of write(), like a full disk
  try {
    return crema::Run(argc, argv);
  } catch (const crema::UsageError& error) {
    return crema::Report(std::string(error.what()) + " (crema --help tells how it is used)", 2);
  } catch (const std::bad_alloc&) {
    return crema::Report("out of memory; use a smaller batch size", 1);
  } catch (const std::exception& error) {
    return crema::Report(error.what(), 1);
  }
}
