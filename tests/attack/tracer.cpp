// Runs a program and does something at one of its system calls (x86-64 Linux).
//
// usage: tracer [OPTION]... -- PROGRAM [ARGUMENT]...
//   --calls=A,B,...   count only these calls, by their numbers (default: all)
//   --at=N            act at the Nth of them, from 1 (default: never)
//   --last=N          and at those that follow, up to the Nth
//   --after           when the call has been made (default: before it is)
//   --kill=SIGNAL     send the process this signal
//   --error=ERRNO     let the call fail with this error, without being made
//   --short=BYTES     let a read or write take no more bytes than this
//   --shrink=FILE     cut the file to half of its size
//   --log=FILE        write the number of calls that were counted
// Ends as the program does: with its status, or by its signal.
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <set>
#include <string>

namespace {

struct Options {
  std::set<long> calls;
  long at = 0, last = 0, signal = 0, error = 0, bytes = -1;
  bool after = false;
  std::string shrink, log;
};

bool Takes(const char* word, const char* name, const char** value) {
  const size_t length = strlen(name);
  if (strncmp(word, name, length) != 0) return false;
  *value = word + length;
  return true;
}

void ReadCalls(const char* list, std::set<long>* calls) {
  for (char* end = nullptr; *list != '\0'; list = *end == ',' ? end + 1 : end) {
    calls->insert(strtol(list, &end, 10));
    if (end == list) exit(126);
  }
}

// Returns the index of the program's name.
int ReadOptions(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const char* value = nullptr;
    if (strcmp(argv[i], "--") == 0) return i + 1;
    if (strcmp(argv[i], "--after") == 0) options->after = true;
    if (Takes(argv[i], "--calls=", &value)) ReadCalls(value, &options->calls);
    if (Takes(argv[i], "--at=", &value)) options->at = atol(value);
    if (Takes(argv[i], "--last=", &value)) options->last = atol(value);
    if (Takes(argv[i], "--kill=", &value)) options->signal = atol(value);
    if (Takes(argv[i], "--error=", &value)) options->error = atol(value);
    if (Takes(argv[i], "--short=", &value)) options->bytes = atol(value);
    if (Takes(argv[i], "--shrink=", &value)) options->shrink = value;
    if (Takes(argv[i], "--log=", &value)) options->log = value;
  }
  return argc;
}

void Poke(pid_t thread, size_t offset, long value) {
  ptrace(PTRACE_POKEUSER, thread, reinterpret_cast<void*>(offset), reinterpret_cast<void*>(value));
}

class Tracer {
 public:
  Tracer(Options options, pid_t program) : options_(std::move(options)), program_(program) {
    if (options_.last < options_.at) options_.last = options_.at;
  }

  // Returns the program's wait status.
  int Run() {
    int status = 0;
    waitpid(program_, &status, 0);  // it has stopped itself
    const long wanted = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                        PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    ptrace(PTRACE_SETOPTIONS, program_, nullptr, reinterpret_cast<void*>(wanted));
    Continue(program_, 0);
    int result = 0;
    for (pid_t thread; (thread = waitpid(-1, &status, __WALL)) > 0;) {
      if (!WIFSTOPPED(status)) {
        if (thread == program_) result = status;
        continue;
      }
      OnStop(thread, status);
    }
    return result;
  }

  long count() const { return count_; }

 private:
  static void Continue(pid_t thread, int signal) {
    ptrace(PTRACE_SYSCALL, thread, nullptr, reinterpret_cast<void*>(static_cast<long>(signal)));
  }

  void OnStop(pid_t thread, int status) {
    const int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      OnCall(thread);
      return Continue(thread, 0);
    }
    const bool is_event = status >> 16 != 0;  // a new thread or program
    const bool begins = signal == SIGSTOP && seen_.insert(thread).second;  // of a new thread
    Continue(thread, is_event || begins ? 0 : signal);
  }

  void OnCall(pid_t thread) {
    __ptrace_syscall_info info = {};
    ptrace(PTRACE_GET_SYSCALL_INFO, thread, reinterpret_cast<void*>(sizeof info), &info);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      const auto number = static_cast<long>(info.entry.nr);
      if (!options_.calls.empty() && options_.calls.count(number) == 0) return;
      const long event = ++count_;
      if (event < options_.at || event > options_.last || options_.at == 0) return;
      if (options_.after) {
        after_[thread] = 0;
      } else {
        Act(thread, static_cast<long>(info.entry.args[2]));
      }
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
      const auto pending = after_.find(thread);
      if (pending == after_.end()) return;
      const long error = pending->second;
      after_.erase(pending);
      if (error > 0) {
        Poke(thread, offsetof(user_regs_struct, rax), -error);
      } else {
        Act(thread, 0);
      }
    }
  }

  void Act(pid_t thread, long size) {
    if (options_.signal > 0) kill(program_, static_cast<int>(options_.signal));
    if (!options_.shrink.empty()) Shrink();
    if (options_.bytes >= 0 && size > options_.bytes) {
      Poke(thread, offsetof(user_regs_struct, rdx), options_.bytes);
    }
    if (options_.error > 0) {
      Poke(thread, offsetof(user_regs_struct, orig_rax), -1);  // no such call
      after_[thread] = options_.error;
    }
  }

  void Shrink() const {
    struct stat info = {};
    if (stat(options_.shrink.c_str(), &info) != 0) return;
    if (truncate(options_.shrink.c_str(), info.st_size / 2) != 0) perror(options_.shrink.c_str());
  }

  Options options_;
  pid_t program_;
  long count_ = 0;
  std::map<pid_t, long> after_;  // threads whose call is to be looked at again, with the error
  std::set<pid_t> seen_;
};

[[noreturn]] void EndAs(int status) {
  if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  signal(WTERMSIG(status), SIG_DFL);
  raise(WTERMSIG(status));
  _exit(126);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const int program = ReadOptions(argc, argv, &options);
  if (program >= argc) return 126;
  const std::string log = options.log;
  const pid_t pid = fork();
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(126);
    raise(SIGSTOP);
    execv(argv[program], argv + program);
    _exit(127);
  }
  Tracer tracer(options, pid);
  const int status = tracer.Run();
  if (!log.empty()) {
    FILE* const file = fopen(log.c_str(), "w");
    if (file == nullptr) return 126;
    fprintf(file, "%ld\n", tracer.count());
    fclose(file);
  }
  EndAs(status);
}
