#include "base/child_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "crema/error.h"

namespace crema::test {
namespace {

constexpr unsigned kSeconds = 3600;

TEST(ChildProcessTest, WorkThatReturnsOrThrowsHasNoFault) {
  int value = 0;
  EXPECT_EQ(FaultInChild([&] { value = 1; }, kSeconds), "");
  EXPECT_EQ(value, 0) << "the work is done in another process";
  EXPECT_EQ(FaultInChild([] { Fail("no"); }, kSeconds), "");
}

// Sanitizers catch the signal and exit.
TEST(ChildProcessTest, ACrashIsAFault) {
  for (int signal : {SIGSEGV, SIGFPE, SIGABRT}) {
    const std::string fault = FaultInChild([signal] { raise(signal); }, kSeconds);
    EXPECT_EQ(fault.substr(0, 7), "crashes");
  }
}

TEST(ChildProcessTest, WorkWithoutAnEndIsAFault) {
  const auto forever = [] {
    for (volatile unsigned i = 0;; i = i + 1) {
    }
  };
  EXPECT_EQ(FaultInChild(forever, 1), "does not finish");
}

TEST(ChildProcessTest, AChildThatIsKilledFromOutsideHasNoFault) {
  EXPECT_EQ(FaultInChild([] { kill(getpid(), SIGKILL); }, kSeconds), "");
}

// As for a lock that another thread held. With the limit of kSeconds alone this would not end in
// the time that a test has.
TEST(ChildProcessTest, AChildThatWaitsIsTriedAgain) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const auto work = [&] {
    while (write(ends[1], "x", 1) == 1) {
      while (true) pause();
    }
  };
  EXPECT_EQ(FaultInChild(work, kSeconds, 300), "");
  char tries[8];
  EXPECT_EQ(read(ends[0], tries, sizeof(tries)), 3);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace crema::test
