// Runs the command-line tool as a user does.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace crema {

struct ToolResult {
  int status = -1;       // the exit status; minus the signal's number where one ended it
  std::string out, err;  // all that it wrote
};

struct ToolOptions {
  std::string folder = ".";                   // where it runs
  rlim_t largest_file = RLIM_INFINITY;        // as `ulimit -f` sets it, but in bytes
  std::vector<std::string> environment = {};  // "NAME=VALUE", added to that of the test
  bool has_streams = true;                    // else standard input, output and error are closed
  rlim_t address_space = RLIM_INFINITY;       // as `ulimit -v` sets it, but in bytes
  int standard_output = -1;                   // a descriptor to take for it
};

// The environment in which a fault of tests/tools/preload happens.
std::vector<std::string> WithFault(const std::vector<std::string>& variables);

class ToolProcess {
 public:
  explicit ToolProcess(const std::vector<std::string>& arguments, const ToolOptions& options = {});
  ~ToolProcess();  // kills it where it still runs
  ToolProcess(const ToolProcess&) = delete;
  ToolProcess& operator=(const ToolProcess&) = delete;

  // Waits until standard error holds `text` beyond what was waited for before. Returns whether it
  // came.
  bool WaitFor(const std::string& text);
  void Signal(int signal) const;
  // The most address space that it has had so far, in bytes.
  rlim_t PeakAddressSpace() const;
  // Waits for the end.
  ToolResult Finish();

 private:
  // Reads what there is, waiting for it. Returns false where both pipes have ended.
  bool Read();

  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  size_t waited_for_ = 0;  // position in standard error
  ToolResult result_;
};

ToolResult RunTool(const std::vector<std::string>& arguments, const ToolOptions& options = {});

std::vector<std::string> SplitLines(const std::string& text);

}  // namespace crema
