#include "crema/context.h"

#include <cstdint>

#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ContextTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (!IsSkipped()) ctx_ = std::make_unique<Context>(OpenTestDevice(device()), 42);
  }
  Context& ctx() { return *ctx_; }

 private:
  std::unique_ptr<Context> ctx_;
};
CREMA_ON_ALL_DEVICES(ContextTest);

uint64_t StepOnDevice(Context& ctx) {
  uint64_t step = 99;
  ctx.device().CopyOut(&step, ctx.device_step(), sizeof(step));
  return step;
}

TEST_P(ContextTest, KeepsSeedAndStep) {
  EXPECT_EQ(ctx().seed(), 42u);
  EXPECT_EQ(ctx().kind(), device());
  EXPECT_EQ(ctx().step(), 0u);
  EXPECT_EQ(StepOnDevice(ctx()), 0u);
  const uint64_t* address = ctx().device_step();
  ctx().SetStep(uint64_t{7} << 40);
  EXPECT_EQ(ctx().step(), uint64_t{7} << 40);
  EXPECT_EQ(StepOnDevice(ctx()), uint64_t{7} << 40);
  EXPECT_EQ(ctx().device_step(), address);  // fixed, so that kernels may hold it
}

TEST_P(ContextTest, ScratchGrowsAndNeverShrinks) {
  void* first = ctx().Scratch(100);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  EXPECT_EQ(ctx().scratch_bytes(), 100u);
  EXPECT_EQ(ctx().Scratch(10), first);
  EXPECT_EQ(ctx().Scratch(100), first);
  EXPECT_EQ(ctx().scratch_bytes(), 100u);
  void* second = ctx().Scratch(100000);
  EXPECT_EQ(ctx().scratch_bytes(), 100000u);
  ctx().device().Zero(second, 100000);
  EXPECT_EQ(ctx().Scratch(50), second);
}

TEST_P(ContextTest, LentScratchIsUsedWhereItIsEnough) {
  void* const lent = ctx().device().Allocate(200);
  ctx().LendScratch(lent, 200);
  EXPECT_EQ(ctx().Scratch(200), lent);
  EXPECT_EQ(ctx().Scratch(50), lent);
  EXPECT_NE(ctx().Scratch(201), lent);
  EXPECT_EQ(ctx().scratch_bytes(), 201u);
  ctx().LendScratch(nullptr, 0);
  EXPECT_NE(ctx().Scratch(100), lent);
  ctx().device().Free(lent);
}

TEST_P(ContextTest, WorkInScratchEndsBeforeItMoves) {
  int result = 0;
  const int value = 5;
  void* kept = ctx().device().Allocate(sizeof(int));
  void* scratch = ctx().Scratch(64);
  ctx().device().CopyIn(scratch, &value, sizeof(int));
  ctx().device().Copy(kept, scratch, sizeof(int));
  ctx().Scratch(1 << 20);
  ctx().device().CopyOut(&result, kept, sizeof(int));
  EXPECT_EQ(result, 5);
  ctx().device().Free(kept);
}

TEST_P(ContextTest, KeepsItsDeviceAlive) {
  std::weak_ptr<Device> watched;
  {
    auto device_of_two = OpenTestDevice(device());
    watched = device_of_two;
    Context a(device_of_two), b(device_of_two);
    device_of_two.reset();
    EXPECT_EQ(&a.device(), &b.device());
    EXPECT_NE(a.device_step(), b.device_step());
  }
  EXPECT_TRUE(watched.expired());
}

TEST(RankTest, EachHasRandomNumbersOfItsOwnAndThoseOfAll) {
  const auto device = OpenDevice(DeviceKind::kCpu);
  const Context alone(device, 42), first(device, 42, {0, 2}), second(device, 42, {1, 2});
  for (const Context* ctx : {&alone, &first, &second}) EXPECT_EQ(ctx->seed(), 42u);
  EXPECT_EQ(alone.seed_of_rank(), 42u);
  EXPECT_EQ(first.seed_of_rank(), 42u);
  EXPECT_NE(second.seed_of_rank(), 42u);
  EXPECT_EQ(second.rank().index, 1);
  EXPECT_EQ(second.rank().count, 2);
}

TEST(RankTest, ThereAreAsManyAsItSays) {
  const auto device = OpenDevice(DeviceKind::kCpu);
  ExpectError([&] { Context(device, 1, Rank{2, 2}); }, {"no rank 2 of 2", "from 0"});
  ExpectError([&] { Context(device, 1, Rank{-1, 2}); }, {"no rank -1"});
}

}  // namespace
}  // namespace crema::test
