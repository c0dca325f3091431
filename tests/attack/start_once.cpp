// Preloaded into crema: starts the program once, up to its main(), then runs main() in a copy of
// the process for each request. A run of a small net then takes a few milliseconds, since loading
// the libraries takes most of the time of a whole start.
//
// CREMA_ATTACK_SOCKET is the number of a connected socket. A request is a length of 4 bytes, then
// strings that end with 0: the folder, the files for standard output and error, the milliseconds
// until SIGTERM and until SIGKILL, the limit of the address space (bytes; 0: none), the number of
// environment variables, these, and the arguments. The reply is five numbers of 8 bytes: the wait
// status, the most memory in KiB, the processor's and the clock's microseconds, and what happened
// on the way: 1 SIGTERM was sent, 2 SIGKILL was sent, 4 it left other processes behind.
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace {

using Main = int (*)(int, char**, char**);
using Start = int (*)(Main, int, char**, void (*)(), void (*)(), void (*)(), void*);

constexpr char kSocket[] = "CREMA_ATTACK_SOCKET";
constexpr int64_t kTerminated = 1, kKilled = 2, kLeftBehind = 4;

Main real_main = nullptr;

struct Request {
  std::string folder, out, err;
  int64_t terminate_ms = 0, kill_ms = 0, address_space = 0;
  std::vector<std::string> environment, arguments;
};

struct Reply {
  int64_t status = 0, memory_kib = 0, processor_us = 0, clock_us = 0, flags = 0;
};

int64_t Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1000000} + now.tv_nsec / 1000;
}

int64_t Microseconds(const timeval& time) { return time.tv_sec * int64_t{1000000} + time.tv_usec; }

bool ReadAll(int fd, void* to, size_t size) {
  for (char* at = static_cast<char*>(to); size > 0;) {
    const ssize_t got = read(fd, at, size);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

// False: there are no more requests.
bool ReadRequest(int fd, Request* request) {
  uint32_t size = 0;
  if (!ReadAll(fd, &size, sizeof size)) return false;
  std::string text(size, '\0');
  if (!ReadAll(fd, &text[0], size)) return false;
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size(); at += words.back().size() + 1) {
    words.emplace_back(text.c_str() + at);
  }
  if (words.size() < 8) return false;
  const size_t variables = static_cast<size_t>(atol(words[6].c_str()));
  if (words.size() < 8 + variables) return false;
  request->folder = words[0];
  request->out = words[1];
  request->err = words[2];
  request->terminate_ms = atoll(words[3].c_str());
  request->kill_ms = atoll(words[4].c_str());
  request->address_space = atoll(words[5].c_str());
  const auto split = words.begin() + 7 + static_cast<std::ptrdiff_t>(variables);
  request->environment.assign(words.begin() + 7, split);
  request->arguments.assign(split, words.end());
  return true;
}

void Redirect(const std::string& path, int flags, int to) {
  const int fd = open(path.c_str(), flags, 0600);
  if (fd < 0 || dup2(fd, to) < 0) _exit(125);
  if (fd != to) close(fd);
}

// In the copy of the process.
int RunMain(int socket, const Request& request) {
  setpgid(0, 0);
  close(socket);
  Redirect("/dev/null", O_RDONLY, 0);
  Redirect(request.out, O_WRONLY | O_CREAT | O_TRUNC, 1);
  Redirect(request.err, O_WRONLY | O_CREAT | O_TRUNC, 2);
  if (chdir(request.folder.c_str()) != 0) _exit(125);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (request.address_space > 0) {
    const auto bytes = static_cast<rlim_t>(request.address_space);
    const rlimit limit = {bytes, bytes};
    setrlimit(RLIMIT_AS, &limit);
  }
  for (const std::string& variable : request.environment) {
    const size_t equals = variable.find('=');
    setenv(variable.substr(0, equals).c_str(), variable.c_str() + equals + 1, 1);
  }
  static std::vector<std::string> words;  // as long as the process
  words = request.arguments;
  static std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(&word[0]);
  argv.push_back(nullptr);
  return real_main(static_cast<int>(words.size()), argv.data(), environ);
}

// False: time is up.
bool WaitUntil(int process, int64_t began, int64_t ms) {
  const int64_t left = ms - (Now() - began) / 1000;
  pollfd wait = {process, POLLIN, 0};
  return poll(&wait, 1, static_cast<int>(left > 0 ? left : 0)) > 0;
}

Reply Watch(pid_t pid, const Request& request) {
  Reply reply;
  const int64_t began = Now();
  const int process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (!WaitUntil(process, began, request.terminate_ms)) {
    reply.flags |= kTerminated;
    kill(pid, SIGTERM);
    if (!WaitUntil(process, began, request.kill_ms)) {
      reply.flags |= kKilled;
      kill(-pid, SIGKILL);
      kill(pid, SIGKILL);
    }
  }
  int status = 0;
  rusage used = {};
  wait4(pid, &status, 0, &used);
  close(process);
  if (kill(-pid, SIGKILL) == 0) reply.flags |= kLeftBehind;
  reply.status = status;
  reply.memory_kib = used.ru_maxrss;
  reply.processor_us = Microseconds(used.ru_utime) + Microseconds(used.ru_stime);
  reply.clock_us = Now() - began;
  return reply;
}

// In the copies it returns what main() returns; in the process itself, when requests end.
int Serve(int, char**, char**) {
  const int socket = atoi(getenv(kSocket));
  unsetenv(kSocket);
  unsetenv("LD_PRELOAD");
  fcntl(socket, F_SETFD, FD_CLOEXEC);
  signal(SIGPIPE, SIG_DFL);
  for (Request request; ReadRequest(socket, &request); request = Request()) {
    const pid_t pid = fork();
    if (pid == 0) return RunMain(socket, request);
    if (pid < 0) _exit(125);
    const Reply reply = Watch(pid, request);
    if (write(socket, &reply, sizeof reply) != static_cast<ssize_t>(sizeof reply)) break;
  }
  _exit(0);
}

}  // namespace

extern "C" int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                                 void (*loader_fini)(), void* stack_end) {
  const auto next = reinterpret_cast<Start>(dlsym(RTLD_NEXT, "__libc_start_main"));
  real_main = main;
  const bool serves = getenv(kSocket) != nullptr;
  return next(serves ? Serve : main, argc, argv, init, fini, loader_fini, stack_end);
}
