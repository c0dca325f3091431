#include "base/child_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "crema/base/error.h"

namespace crema::test {
namespace {

constexpr unsigned kSeconds = 100;

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
  EXPECT_EQ(FaultInChild(forever, 1), "does not come to an end");
}

TEST(ChildProcessTest, AChildThatIsKilledFromOutsideHasNoFault) {
  EXPECT_EQ(FaultInChild([] { kill(getpid(), SIGKILL); }, kSeconds), "");
}

}  // namespace
}  // namespace crema::test
