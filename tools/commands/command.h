// What the commands of the tool share.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "crema/dev/graph.h"
#include "crema/device.h"

namespace crema {

namespace proto {
class NetParameter;
}

// Wrong usage of the command line: the tool prints it and exits with status 2. Everything else
// that a user can cause is an Error and exits with status 1.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One of several things that a command does, each with arguments of its own: a source of convert.
struct CommandForm {
  std::string name;
  std::string arguments;           // as shown in the usage line
  std::string summary;             // sentences
  std::string details;             // paragraphs for the --help of this form alone
  std::vector<std::string> flags;  // names of the flags it takes
};

// One command. Flags are parsed (gflags) before `run` gets the other arguments.
struct Command {
  const char* name;
  const char* arguments;           // as shown in the usage line
  const char* summary;             // one line
  const char* details;             // paragraphs for --help, which are wrapped; may be ""
  std::vector<std::string> flags;  // names of the flags it takes
  int (*run)(const std::vector<std::string>& arguments);
  std::vector<CommandForm> forms = {};  // if it has any, the first argument names one
};

inline constexpr char kPurpose[] =
    "crema trains and runs convolutional networks written in Caffe's language.";
inline constexpr char kHelpSummary[] =
    "explain a command, a layer type, a field, the solver or the net";

// All commands but help, which is in crema.cpp.
const std::vector<Command>& Commands();
// The command of that name; nullptr if there is none.
const Command* FindCommand(const std::string& name);
// The names of all commands, help's first.
std::vector<std::string> CommandNames();

// Each is defined in the file of its name; the result is the exit status.
int RunTrain(const std::vector<std::string>& arguments);
int RunTest(const std::vector<std::string>& arguments);
int RunTime(const std::vector<std::string>& arguments);
int RunShow(const std::vector<std::string>& arguments);
int RunDeviceQuery(const std::vector<std::string>& arguments);
int RunConvert(const std::vector<std::string>& arguments);
int RunMean(const std::vector<std::string>& arguments);
int RunPlot(const std::vector<std::string>& arguments);
int RunVersion(const std::vector<std::string>& arguments);

// crema help, without a command's name: the list of layers, a page of the manual, or with
// --markdown=FOLDER, --man=FOLDER or --completion=SHELL what the build makes of the manual.
// `commands` are names that a typing error may have meant.
void PrintLayerList();
void PrintManual(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& commands);

// The help text and the flags of convert, and its forms, named after what it makes databases from
// (mnist, ...).
const char* ConvertDetails();
std::vector<std::string> ConvertFlags();
std::vector<CommandForm> ConvertForms();

// The version of crema, as in "0.1".
const char* Version();

// Throws UsageError if there are arguments beside the flags. It names the flag that a file was
// probably meant for; `text_flag` is that for a .prototxt, if the command has one.
void TakesNoArguments(const std::vector<std::string>& arguments, const std::string& text_flag = "");

// Whether a command runs on the first of several GPUs that are asked for, as Caffe's test and time
// do, or refuses.
enum class Gpus { kOne, kFirstOfSeveral };

// The device that --gpu asks for; the CPU if it asks for none.
std::shared_ptr<Device> DeviceFromFlags(Gpus gpus = Gpus::kFirstOfSeveral);

// Reads --model, upgrades it, and gives it the state of `phase`, --level and --stage, and random
// data if --dummy_data asks for it.
proto::NetParameter NetFromFlags(Phase phase);
// How errors name that net: "net.prototxt, phase TEST".
std::string TitleOfNetFromFlags(Phase phase);
// --phase, or `otherwise` if it is not given.
Phase PhaseFromFlags(Phase otherwise);
// The words of --stage.
std::vector<std::string> StagesFromFlags();
// The names between the commas of `value`, which is that of a flag; none if it is empty. Throws
// UsageError if there is nothing between two commas: it was to be a name, and is missed.
std::vector<std::string> NamesFromFlag(const std::string& flag, const std::string& value);
// Loads the plug-ins of the variable CREMA_PLUGINS and of --plugins. Throws Error.
void LoadPluginsFromFlags();
// --threads, as CompileOptions::threads takes it.
int ThreadsFromFlags();
// --engine, or else the variable CREMA_ENGINE; "": neither. Throws Error, which says which of them
// it was, if this build has no engine of that name.
std::string EngineFromFlags();

}  // namespace crema
