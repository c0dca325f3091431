// Runs a part of a test in a child process, because it would change this one, or hang it.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

namespace crema::test {

// The exit status of a forked child that ends with what `work` returns; less than 0 if a signal
// ended it. A child that hangs is ended after two minutes. Nothing that gtest expects in it counts.
template <class Work>
int StatusOfChild(const Work& work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(120);
    int status = 99;
    try {
      status = work();
    } catch (...) {
    }
    _exit(status);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1000;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace crema::test
