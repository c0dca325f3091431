// The words of a command line, read as gflags reads them, but for one command.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace crema {

// Sets the flags that words give: -name=value, --name=value, --name value, --name and --noname for
// switches, with dashes or underscores in the name. --flagfile, --fromenv, --tryfromenv and
// --undefok work as in gflags, and `--` ends the flags. Accepted are the command's own flags, those
// of the libraries (glog, gflags), and all of Caffe's commands: people's scripts give them to any.
class FlagParser {
 public:
  // `crema_flags`: the flags of all commands.
  FlagParser(std::string command, std::vector<std::string> own_flags,
             const std::set<std::string>& crema_flags);

  // Throws UsageError for an unknown flag, naming the nearest one, and for a wrong value.
  void Parse(const std::vector<std::string>& words);

  // The words that are no flags.
  const std::vector<std::string>& arguments() const { return arguments_; }
  // Flags of Caffe's that were given but mean nothing to this command, "--name", once each.
  const std::vector<std::string>& unused() const { return unused_; }

 private:
  struct Flag;
  bool Takes(const std::string& name) const;
  Flag Split(const std::string& word) const;
  void ParseAll(const std::vector<std::string>& words, int depth);
  void Set(const std::string& name, const std::string& value, int depth);
  void SetFromEnvironment(const std::string& names, bool must_be_there, int depth);
  void ReadFlagFiles(const std::string& paths, int depth);
  void NoteUnknown(const std::string& name);

  std::string command_;
  std::vector<std::string> own_, library_;
  std::vector<std::string> arguments_, unused_;
  std::vector<std::pair<std::string, std::string>> unknown_;  // names and what to say
  std::set<std::string> may_be_unknown_;                      // --undefok
  std::string plugins_;                                       // --plugins, if it was given
};

}  // namespace crema
