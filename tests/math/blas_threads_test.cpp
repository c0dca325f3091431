#include "blas_threads.h"

#include <cblas.h>

#include <thread>
#include <vector>

#include "crema/context.h"
#include "crema/dev/gemm.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

// The program's own choice while the test runs.
class BlasThreadsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (openblas_get_parallel() != OPENBLAS_THREAD) {
      GTEST_SKIP() << "this OpenBLAS has no threads of its own";
    }
    openblas_set_num_threads(2);
    if (openblas_get_num_threads() != 2) GTEST_SKIP() << "this OpenBLAS has one thread only";
  }
  void TearDown() override { openblas_set_num_threads(before_); }

  const int before_ = openblas_get_num_threads();
};

TEST_F(BlasThreadsTest, AProductLeavesTheProgramsNumber) {
  Context ctx(OpenDevice(DeviceKind::kCpu));
  const std::vector<float> a(64 * 64, 1), b(64 * 64, 2);
  std::vector<float> c(64 * 64);
  Gemm<float>(ctx, Transpose::kNo, Transpose::kNo, 64, 64, 64, 1, a.data(), b.data(), 0, c.data());
  EXPECT_EQ(c[0], 128);
  EXPECT_EQ(openblas_get_num_threads(), 2);
}

TEST_F(BlasThreadsTest, TheLastOfSeveralSetsItBack) {
  {
    const SingleThreadedBlas outer;
    EXPECT_EQ(openblas_get_num_threads(), 1);
    { const SingleThreadedBlas inner; }
    EXPECT_EQ(openblas_get_num_threads(), 1);
  }
  EXPECT_EQ(openblas_get_num_threads(), 2);
}

TEST_F(BlasThreadsTest, OtherThreadsMayHoldIt) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 1000; ++round) {
        const SingleThreadedBlas single;
        EXPECT_EQ(openblas_get_num_threads(), 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(openblas_get_num_threads(), 2);
}

TEST_F(BlasThreadsTest, AChangeInBetweenStays) {
  {
    const SingleThreadedBlas single;
    openblas_set_num_threads(3);
  }
  EXPECT_EQ(openblas_get_num_threads(), 3);
}

}  // namespace
}  // namespace crema::test
