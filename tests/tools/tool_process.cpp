#include "tools/tool_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "util/paths.h"

namespace crema {
namespace {

// A tool that is silent for so long hangs, however busy the machine is.
constexpr int kLongestSilenceMs = 300000;

void MakePipe(int ends[2]) { ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0); }

// Appends what can be read now; closes the pipe at its end.
void ReadSome(int* fd, std::string* text) {
  char buffer[65536];
  const ssize_t count = read(*fd, buffer, sizeof buffer);
  if (count > 0) {
    text->append(buffer, static_cast<size_t>(count));
  } else if (count == 0 || errno != EINTR) {
    close(*fd);
    *fd = -1;
  }
}

// It stays as it is if no other limit is wanted.
template <class Resource>
bool Limit(Resource resource, rlim_t most) {
  rlimit limit;
  if (most == RLIM_INFINITY) return true;
  if (getrlimit(resource, &limit) != 0) return false;
  limit.rlim_cur = most;
  return setrlimit(resource, &limit) == 0;
}

}  // namespace

std::vector<std::string> WithFault(const std::vector<std::string>& variables) {
  const char* const sanitizer = std::getenv("ASAN_OPTIONS");
  const std::string given = sanitizer == nullptr ? "" : sanitizer;
  std::vector<std::string> environment = variables;
  environment.push_back("LD_PRELOAD=" + FaultsPath().string());
  environment.push_back("ASAN_OPTIONS=verify_asan_link_order=0:" + given);
  return environment;
}

ToolProcess::ToolProcess(const std::vector<std::string>& arguments, const ToolOptions& options) {
  std::vector<std::string> words = {ToolPath()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(&word[0]);
  argv.push_back(nullptr);
  std::vector<std::string> added = options.environment;
  std::vector<char*> environment;  // of two equal names the first counts
  for (std::string& variable : added) environment.push_back(&variable[0]);
  for (char** variable = environ; *variable != nullptr; ++variable)
    environment.push_back(*variable);
  environment.push_back(nullptr);
  int out[2], err[2];
  MakePipe(out);
  MakePipe(err);
  pid_ = fork();
  if (pid_ == 0) {  // nothing here may allocate memory
    const int standard_output = options.standard_output >= 0 ? options.standard_output : out[1];
    const bool ready =
        chdir(options.folder.c_str()) == 0 && dup2(standard_output, STDOUT_FILENO) >= 0 &&
        dup2(err[1], STDERR_FILENO) >= 0 && Limit(RLIMIT_FSIZE, options.largest_file) &&
        Limit(RLIMIT_AS, options.address_space);
    for (int fd = 0; fd <= STDERR_FILENO && !options.has_streams; ++fd) close(fd);
    if (ready) execve(argv[0], argv.data(), environment.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  out_ = out[0];
  err_ = err[0];
}

ToolProcess::~ToolProcess() {
  if (out_ >= 0) close(out_);
  if (err_ >= 0) close(err_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool ToolProcess::Read() {
  if (out_ < 0 && err_ < 0) return false;
  pollfd files[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};  // negative ones are passed over
  const int ready = poll(files, 2, kLongestSilenceMs);
  if (ready == 0) {
    ADD_FAILURE() << "the tool hangs; so far it wrote: " << result_.err;
    kill(pid_, SIGKILL);
    return false;
  }
  if (files[0].revents != 0) ReadSome(&out_, &result_.out);
  if (files[1].revents != 0) ReadSome(&err_, &result_.err);
  return true;
}

bool ToolProcess::WaitFor(const std::string& text) {
  while (true) {
    const size_t found = result_.err.find(text, waited_for_);
    if (found != std::string::npos) {
      waited_for_ = found + text.size();
      return true;
    }
    if (!Read()) return false;
  }
}

rlim_t ToolProcess::PeakAddressSpace() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmPeak:", 0) == 0) return rlim_t{std::stoull(line.substr(7))} << 10;  // in kB
  }
  ADD_FAILURE() << "the address space of the tool is not known";
  return 0;
}

void ToolProcess::Signal(int signal) const { kill(pid_, signal); }

ToolResult ToolProcess::Finish() {
  while (Read()) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  result_.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result_;
}

ToolResult RunTool(const std::vector<std::string>& arguments, const ToolOptions& options) {
  return ToolProcess(arguments, options).Finish();
}

std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace crema
