#include "completion.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/strings.h"
#include "commands/command.h"
#include "crema/dev/registry.h"
#include "flag_description.h"

namespace crema {
namespace {

using Value = FlagDescription::Value;

// What `crema help` explains, but for messages and fields, which are hundreds.
std::vector<std::string> HelpTopics() {
  std::vector<std::string> topics;
  for (const Command& command : Commands()) topics.push_back(command.name);
  topics.insert(topics.end(), {"layers", "solver", "net", "layer"});
  for (const std::string& type : LayerTypes(DeviceKind::kCpu)) topics.push_back(type);
  return topics;
}

// What convert makes databases from.
std::vector<std::string> SourceNames() {
  std::vector<std::string> names;
  for (const CommandForm& form : ConvertForms()) names.push_back(form.name);
  return names;
}

// Whether a command takes words that are no flags; its usage line then begins with one.
bool TakesArguments(const Command& command) {
  return command.arguments[0] >= 'A' && command.arguments[0] <= 'Z';
}

std::set<std::string> AllFlags() {
  std::set<std::string> flags;
  for (const Command& command : Commands()) {
    flags.insert(command.flags.begin(), command.flags.end());
  }
  return flags;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// bash -----------------------------------------------------------------------------------------

constexpr char kBash[] =
    R"sh(# Completion of crema for bash, made by `crema help --completion=bash`.

_crema_words() { mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1"); }

# Folders, and files with one of the endings.
_crema_files() {
  local cur=$1 ending
  shift
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(
    compgen -d -- "$cur"
    for ending; do compgen -f -X "!*.$ending" -- "$cur"; done
  )
}

# The value of a flag. Without an answer, bash offers files.
_crema_value() {
  case $1 in
@VALUES@  esac
}

# FLAG= for a flag that takes a value, FLAG for a switch.
_crema_flags() {
  case $1 in
@FLAGS@  esac
}

_crema_arguments() {
  case $1 in
    help) [[ $3 != help ]] || _crema_words "$2" '@TOPICS@' ;;
    convert) [[ $3 != convert ]] || _crema_words "$2" '@SOURCES@' ;;
    @NO_ARGUMENTS@) _crema_words "$2" "$(_crema_flags "$1")" ;;
  esac
}

_crema() {
  local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local prefix='' flag='' command='' flags i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
      @COMMANDS@) command=${COMP_WORDS[i]} && break ;;
    esac
  done
  flags=$(_crema_flags "$command")
  if [[ $cur == --*=* ]]; then # where = does not part words
    flag=${cur%%=*} cur=${cur#*=} prefix=$flag=
  elif [[ $cur == '=' ]]; then
    flag=$before cur=''
  elif [[ $before == '=' ]]; then
    flag=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ " $flags " == *" $before= "* ]]; then
    flag=$before
  fi
  if [[ -n $flag ]]; then
    _crema_value "$flag" "$cur"
    COMPREPLY=("${COMPREPLY[@]/#/$prefix}")
  elif [[ -z $command ]]; then
    _crema_words "$cur" '@COMMAND_WORDS@ --help --version'
  elif [[ $cur == -* ]]; then
    _crema_words "$cur" "$flags --help"
  else
    _crema_arguments "$command" "$cur" "$before"
  fi
  [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
  return 0
}

complete -o default -F _crema crema
)sh";

// What bash does for a flag's value; "" if it offers files.
std::string BashValue(const FlagDescription& flag) {
  switch (flag.value) {
    case Value::kWord: return "_crema_words \"$2\" '" + Join(flag.words, " ") + "'";
    case Value::kFile:
      return flag.endings.empty() ? "" : "_crema_files \"$2\" " + Join(flag.endings, " ");
    case Value::kFolder: return "_crema_files \"$2\"";
    case Value::kNumber:
    case Value::kText: return "compopt +o default 2>/dev/null";
    case Value::kNone: break;
  }
  return "";
}

// Flags of equal values share a line.
std::string BashValues() {
  std::map<std::string, std::vector<std::string>> flags;
  for (const std::string& name : AllFlags()) {
    const std::string action = BashValue(DescribeFlag(name));
    if (!action.empty()) flags[action].push_back("--" + name);
  }
  std::string out;
  for (const auto& [action, names] : flags) {
    out += "    " + Join(names, " | ") + ") " + action + " ;;\n";
  }
  return out;
}

std::string BashFlags() {
  std::string out;
  for (const Command& command : Commands()) {
    std::vector<std::string> flags;
    for (const std::string& name : command.flags) {
      flags.push_back("--" + name + (DescribeFlag(name).value == Value::kNone ? "" : "="));
    }
    if (!flags.empty()) {
      out += std::string("    ") + command.name + ") echo '" + Join(flags, " ") + "' ;;\n";
    }
  }
  return out;
}

std::string BashScript() {
  std::vector<std::string> without_arguments;
  for (const Command& command : Commands()) {
    if (!TakesArguments(command)) without_arguments.push_back(command.name);
  }
  std::string script = kBash;
  const std::pair<const char*, std::string> parts[] = {
      {"@VALUES@", BashValues()},
      {"@FLAGS@", BashFlags()},
      {"@TOPICS@", Join(HelpTopics(), " ")},
      {"@SOURCES@", Join(SourceNames(), " ")},
      {"@NO_ARGUMENTS@", Join(without_arguments, " | ")},
      {"@COMMANDS@", Join(CommandNames(), " | ")},
      {"@COMMAND_WORDS@", Join(CommandNames(), " ")}};
  for (const auto& [name, text] : parts) script = Replaced(script, name, text);
  return script;
}

// zsh ------------------------------------------------------------------------------------------

constexpr char kZsh[] =
    R"sh(#compdef crema
# Completion of crema for zsh, made by `crema help --completion=zsh`.

_crema() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a commands=(
@COMMANDS@  )
  _arguments -C \
    '(- *)--help[explain a command]' \
    '(- *)--version[print the versions]' \
    '1: :->command' '*:: :->rest' && return
  case $state in
    command) _describe -t commands command commands ;;
    rest)
      case $words[1] in
@CASES@      esac ;;
  esac
}

if [[ $funcstack[1] == _crema ]]; then
  _crema "$@"
else
  compdef _crema crema
fi
)sh";

// A word in single quotes.
std::string Quoted(const std::string& text) { return "'" + Replaced(text, "'", "'\\''") + "'"; }

// What zsh shows beside a flag: the first part of what it means, with zsh's own signs escaped.
std::string ZshMeaning(std::string text) {
  for (const char* const end : {"; ", ". ", " (default"}) text = text.substr(0, text.find(end));
  for (const char* const sign : {"\\", "[", "]", ":"}) {
    text = Replaced(text, sign, std::string("\\") + sign);
  }
  return text;
}

// Regular files; without the (-.), zsh would take a single ending in brackets for such a condition.
std::string ZshFiles(const std::vector<std::string>& endings) {
  if (endings.empty()) return ":file:_files";
  return ":file:_files -g \"*.(" + Join(endings, "|") + ")(-.)\"";
}

std::string ZshFlag(const FlagDescription& flag) {
  const std::string name = "--" + flag.name, meaning = "[" + ZshMeaning(flag.meaning) + "]";
  switch (flag.value) {
    case Value::kNone: return name + meaning;
    case Value::kNumber: return name + "=" + meaning + ":number: ";
    case Value::kText: return name + "=" + meaning + ":text: ";
    case Value::kWord: return name + "=" + meaning + ":word:(" + Join(flag.words, " ") + ")";
    case Value::kFile: return name + "=" + meaning + ZshFiles(flag.endings);
    case Value::kFolder: return name + "=" + meaning + ":folder:_files -/";
  }
  return "";
}

std::string ZshCase(const Command& command) {
  std::vector<std::string> specs;
  for (const std::string& flag : command.flags) specs.push_back(ZshFlag(DescribeFlag(flag)));
  specs.push_back("--help[explain the command]");
  if (std::string(command.name) == "convert") {
    specs.push_back("1:source:(" + Join(SourceNames(), " ") + ")");
  }
  if (TakesArguments(command)) specs.push_back("*:file:_files");
  std::string out = std::string("        ") + command.name + ") _arguments";
  for (const std::string& spec : specs) out += " \\\n          " + Quoted(spec);
  return out + " ;;\n";
}

std::string ZshScript() {
  std::string commands, cases;
  for (const Command& command : Commands()) {
    commands += "    " + Quoted(std::string(command.name) + ":" + command.summary) + "\n";
    cases += ZshCase(command);
  }
  commands += "    " + Quoted(std::string("help:") + kHelpSummary) + "\n";
  cases +=
      "        help) _arguments " + Quoted("1:topic:(" + Join(HelpTopics(), " ") + ")") + " ;;\n";
  return Replaced(Replaced(kZsh, "@COMMANDS@", commands), "@CASES@", cases);
}

}  // namespace

std::string CompletionFor(const std::string& shell) {
  if (shell == "bash") return BashScript();
  if (shell == "zsh") return ZshScript();
  throw UsageError("--completion=" + shell + ": must be bash or zsh");
}

}  // namespace crema
