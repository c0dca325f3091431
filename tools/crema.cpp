// The command-line tool: picks a command, parses its flags, and turns errors into exit statuses:
// 0 success, 1 an error of the user's, told in one sentence, 2 wrong usage (train: 143 if SIGTERM
// stopped it).
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iomanip>
#include <iostream>
#include <new>
#include <opencv2/core/utility.hpp>
#include <set>

#include "base/standard_streams.h"
#include "base/strings.h"
#include "caffe_tools.h"
#include "commands/command.h"
#include "commands/flags.h"
#include "crema/brief_waits.h"
#include "crema/dev/registry.h"
#include "crema/error.h"
#include "early_signals.h"
#include "flag_description.h"
#include "flag_parser.h"
#include "output.h"
#include "schema/hdf5_io.h"
#include "wrap.h"

namespace crema {
namespace {

constexpr size_t kWidth = 80;

void PrintUsage(std::ostream& out) {
  out << kPurpose
      << "\n\n"
         "usage: crema COMMAND [options]\n\ncommands:\n";
  for (const Command& command : Commands()) {
    out << "  " << std::left << std::setw(14) << command.name << command.summary << "\n";
  }
  out << "  " << std::setw(14) << "help" << kHelpSummary << "\n"
      << "\nSee crema COMMAND --help for the options of a command, and crema help for\n"
         "a list of all layer types.\n";
}

void PrintFlag(const std::string& name) {
  constexpr size_t kIndent = 22;
  const std::string text = Wrap(DescribeFlag(name).meaning, kIndent, kWidth);
  std::cout << "  --" << std::left << std::setw(kIndent - 4) << name << text.substr(kIndent);
}

void PrintHelp(const Command& command) {
  std::cout << "usage: crema " << command.name << " " << command.arguments << "\n\n"
            << command.summary << "\n";
  if (command.details[0] != '\0') std::cout << "\n" << Wrap(command.details, 0, kWidth);
  if (!command.flags.empty()) std::cout << "\noptions:\n";
  for (const std::string& name : command.flags) PrintFlag(name);
  std::cout << "\nThe log goes to standard error; --minloglevel=1 limits it to warnings.\n";
}

// The form that a word names; null if none does.
const CommandForm* FindForm(const Command& command, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    for (const CommandForm& form : command.forms) {
      if (word == form.name) return &form;
    }
  }
  return nullptr;
}

// A form is explained like a command; `form` may be null.
void PrintHelp(const Command& command, const CommandForm* form) {
  if (form == nullptr) return PrintHelp(command);
  const std::string arguments = Concat(form->name, " ", form->arguments, " [options]");
  std::string summary = Wrap(form->summary, 0, kWidth);
  summary.pop_back();  // the line feed
  PrintHelp({command.name, arguments.c_str(), summary.c_str(), form->details.c_str(), form->flags,
             command.run});
}

[[noreturn]] void FailUnknownForm(const Command& command, const std::string& name) {
  const std::string start = Concat("crema ", command.name, " has no '", name, "'");
  if (command.forms.empty()) throw UsageError(Concat(start, "; use crema help ", command.name));
  std::vector<std::string> names;
  for (const CommandForm& form : command.forms) names.push_back(form.name);
  const std::string near = Nearest(name, names);
  throw UsageError(
      Concat(start, ", only ", Join(names), near.empty() ? "" : "; did you mean '" + near + "'?"));
}

// crema help COMMAND, or COMMAND FORM.
void ExplainCommand(const Command& command, const std::vector<std::string>& names) {
  if (names.size() == 1) return PrintHelp(command);
  const CommandForm* const form = FindForm(command, {names[1]});
  if (form == nullptr) FailUnknownForm(command, names[1]);
  if (names.size() > 2) throw UsageError("crema help: unexpected argument '" + names[2] + "'");
  PrintHelp(command, form);
}

// What help takes beside names: --plugins=FILES, whose layers it then explains, too. Returns the
// rest.
std::vector<std::string> LoadPluginsOf(const std::vector<std::string>& words) {
  std::vector<std::string> rest;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string name = words[i].substr(0, words[i].find('='));
    const bool is_flag = name == "--plugins" || name == "-plugins";
    if (is_flag && name.size() < words[i].size()) {
      FLAGS_plugins = words[i].substr(name.size() + 1);
    } else if (is_flag && i + 1 < words.size()) {
      FLAGS_plugins = words[++i];
    } else {
      rest.push_back(words[i]);
    }
  }
  LoadPluginsFromFlags();
  return rest;
}

int RunHelp(const std::vector<std::string>& words) {
  const std::vector<std::string> arguments = LoadPluginsOf(words);
  if (arguments.empty()) {
    PrintUsage(std::cout);
    PrintLayerList();
    return 0;
  }
  const Command* const command = FindCommand(arguments[0]);
  const std::string instead = InsteadOfCaffeTool(arguments[0]);
  if (command == nullptr && arguments.size() > 1) {
    throw UsageError("crema help takes one name (see crema help)");
  }
  if (arguments[0] == "layers") {
    for (const std::string& type : LayerTypes(DeviceKind::kCpu)) std::cout << type << "\n";
  } else if (command != nullptr) {
    ExplainCommand(*command, arguments);
  } else if (!instead.empty()) {
    std::cout << Wrap("For Caffe's " + arguments[0] + ": " + instead + ".", 0, kWidth);
  } else {
    PrintManual(arguments, CommandNames());
  }
  return 0;
}

std::set<std::string> FlagsOfAllCommands() {
  std::set<std::string> flags;
  for (const Command& command : Commands())
    flags.insert(command.flags.begin(), command.flags.end());
  return flags;
}

[[noreturn]] void FailUnknownCommand(const std::string& name) {
  const std::string start = "unknown command '" + name + "'";
  std::vector<std::string> names = CommandNames();
  const std::vector<std::string> caffes = CaffeToolNames();
  names.insert(names.end(), caffes.begin(), caffes.end());
  std::string near = name;
  if (InsteadOfCaffeTool(name).empty()) near = Nearest(name, names);
  const std::string instead = InsteadOfCaffeTool(near);
  if (!instead.empty()) throw UsageError(start + "; for Caffe's " + near + ": " + instead);
  throw UsageError(start + (near.empty() ? "" : "; did you mean '" + near + "'?") +
                   " (see crema --help)");
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

bool AnyOf(const std::vector<std::string>& words, const std::vector<std::string>& wanted) {
  return std::find_first_of(words.begin(), words.end(), wanted.begin(), wanted.end()) !=
         words.end();
}

bool AsksHelp(const std::vector<std::string>& words) {
  return AnyOf(words,
               {"--help", "-help", "-h", "--helpshort", "-helpshort", "--helpfull", "-helpfull"});
}

int RunCommand(const Command& command, const std::vector<std::string>& words, const char* program) {
  FlagParser flags(command.name, command.flags, FlagsOfAllCommands());
  flags.Parse(words);
  gflags::HandleCommandLineHelpFlags();  // --helpxml and the like, for programs; ends if given
  if (!FLAGS_log_dir.empty()) FLAGS_logtostderr = false;  // then glog writes files too
  google::InitGoogleLogging(program);
  if (!flags.unused().empty()) {
    LOG(WARNING) << "crema " << command.name << " does not use " << Join(flags.unused())
                 << "; ignored";
  }
  const std::vector<std::string>& takes = command.flags;
  if (std::find(takes.begin(), takes.end(), "plugins") != takes.end()) LoadPluginsFromFlags();
  return command.run(flags.arguments());
}

int Run(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const auto first = FindCommandWord(words);
  // Signals wait until train has said what they do; all else they end.
  if (first == words.end() || *first != "train") ReleaseSignals();
  const bool asks_help = AsksHelp(words);
  if (AnyOf(words, {"--version", "-version", "-V"})) return RunVersion({});
  if (first == words.end()) {
    PrintUsage(asks_help ? std::cout : std::cerr);
    return asks_help ? 0 : 2;
  }
  const std::string name = *first;
  words.erase(first);
  if (name == "help") return RunHelp(asks_help ? std::vector<std::string>() : words);
  const Command* command = FindCommand(name);
  if (command == nullptr) FailUnknownCommand(name);
  const CommandForm* const form = FindForm(*command, words);
  if (asks_help) {
    PrintHelp(*command, form);
    return 0;
  }
  try {
    return RunCommand(*command, words, argv[0]);
  } catch (const UsageError& error) {
    const std::string what = form == nullptr ? name : name + " " + form->name;
    throw UsageError(Concat(error.what(), " (see crema ", what, " --help)"));
  }
}

// Returns the exit status.
int RunAndReport(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const UsageError& error) {
    PrintError(error.what());
    return 2;
  } catch (const std::bad_alloc&) {
    PrintError("out of memory; use a smaller batch size");
  } catch (const std::exception& error) {
    PrintError(error.what());
  } catch (...) {
    PrintError("something that is no std::exception was thrown, so that nothing is known of it");
  }
  return 1;
}

}  // namespace
}  // namespace crema

int main(int argc, char** argv) {
  crema::HoldSignals();
  crema::OpenStandardStreams();
  crema::WaitBrieflyWithoutBlasThreads(argv, environ);  // if early_start.cpp could not
  crema::SetUpOutput();
  crema::LeaveHdf5FilesOpenAtExit();
  cv::setNumThreads(1);  // images are worked on in parallel, not each of them
  FLAGS_alsologtostderr = true;
  FLAGS_logtostderr = true;          // files only if --log_dir or GLOG_log_dir asks for them
  FLAGS_log_year_in_prefix = false;  // as the glog of Caffe's time wrote it
  std::signal(SIGXFSZ, SIG_IGN);  // a file over its limit is an error of write(), like a full disk
  return crema::FinishOutput(crema::RunAndReport(argc, argv));
}
