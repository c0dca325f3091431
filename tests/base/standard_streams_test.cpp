#include "base/standard_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace crema::test {
namespace {

// In a process of its own: the number that the next file gets when `closed` was closed before.
int NextFileWithout(std::initializer_list<int> closed) {
  const pid_t child = fork();
  if (child == 0) {
    for (int fd : closed) close(fd);
    OpenStandardStreams();
    _exit(open("/", O_RDONLY));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(StandardStreamsTest, NoFileTakesTheirPlace) {
  EXPECT_GT(NextFileWithout({}), 2);
  EXPECT_GT(NextFileWithout({2}), 2);
  EXPECT_GT(NextFileWithout({0, 1}), 2);
  EXPECT_GT(NextFileWithout({0, 1, 2}), 2);
}

}  // namespace
}  // namespace crema::test
