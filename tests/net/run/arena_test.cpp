// Who is told what when an arena grows, and what is left where it cannot.
#include "net/run/arena.h"

#include <gtest/gtest.h>

#include "util/limited_device.h"

namespace crema::test {
namespace {

// Holds the memory that it is in, as a net's blobs do.
class User : public ArenaUser {
 public:
  User(Arena* arena, size_t bytes) : arena_(*arena), bytes_(bytes) { arena_.Add(this); }
  ~User() override { arena_.Remove(this); }

  size_t ArenaBytes() const override { return bytes_; }
  void ReleaseArena() override {
    memory_.reset();
    ++released;
  }
  void BindArena() override {
    memory_ = arena_.buffer();
    ++entered;
  }
  void Reserve() {
    arena_.Reserve(bytes_, this);
    memory_ = arena_.buffer();
  }
  const Buffer* memory() const { return memory_.get(); }

  int released = 0, entered = 0;

 private:
  Arena& arena_;
  size_t bytes_;
  std::shared_ptr<Buffer> memory_;
};

class ArenaTest : public testing::Test {
 protected:
  std::shared_ptr<LimitedDevice> device_ = std::make_shared<LimitedDevice>();
  Arena arena_{device_};
};

TEST_F(ArenaTest, HasNoMemoryBeforeSomebodyNeedsSome) {
  EXPECT_EQ(arena_.buffer(), nullptr);
  EXPECT_EQ(device_->used(), 0u);
}

TEST_F(ArenaTest, WhatIsLargeEnoughStays) {
  User large(&arena_, 4096), small(&arena_, 64);
  large.Reserve();
  const Buffer* memory = arena_.buffer().get();
  small.Reserve();
  EXPECT_EQ(arena_.buffer().get(), memory);
  EXPECT_EQ(large.entered, 0);
}

TEST_F(ArenaTest, AllFollowToLargerMemoryAndTheOldIsFreedFirst) {
  User small(&arena_, 1000);
  small.Reserve();
  User large(&arena_, 4096);
  large.Reserve();
  EXPECT_EQ(small.entered, 1);
  EXPECT_EQ(small.memory(), arena_.buffer().get());
  EXPECT_EQ(large.entered, 0);  // it takes the memory itself
  EXPECT_EQ(arena_.buffer()->bytes(), 4096u);
  EXPECT_EQ(device_->peak(), 4096u);
}

TEST_F(ArenaTest, GrowsToWhatTheOthersNeedToo) {
  User large(&arena_, 4096), small(&arena_, 64);
  small.Reserve();  // before the other one has asked
  EXPECT_EQ(arena_.buffer()->bytes(), 4096u);
}

TEST_F(ArenaTest, WhereItCannotGrowTheOthersAreBackInTheOldSize) {
  User small(&arena_, 1000);
  small.Reserve();
  User large(&arena_, 4096);
  device_->set_limit(2000);
  EXPECT_THROW(large.Reserve(), Error);
  EXPECT_EQ(arena_.buffer()->bytes(), 1000u);
  EXPECT_EQ(small.memory(), arena_.buffer().get());
  EXPECT_EQ(large.memory(), nullptr);
}

TEST_F(ArenaTest, WhereEvenTheOldMemoryIsGoneThereIsNoneUntilSomebodyAsksAgain) {
  User small(&arena_, 1000);
  small.Reserve();
  User large(&arena_, 4096);
  device_->set_limit(500);
  EXPECT_THROW(large.Reserve(), Error);
  EXPECT_EQ(arena_.buffer(), nullptr);
  EXPECT_EQ(small.memory(), nullptr);
  device_->set_limit(1 << 20);
  small.Reserve();
  EXPECT_EQ(arena_.buffer()->bytes(), 4096u);  // the large one is a user still
}

TEST_F(ArenaTest, WhoHasLeftIsToldNothing) {
  User user(&arena_, 1000);
  {
    User guest(&arena_, 64);
    guest.Reserve();
  }
  EXPECT_EQ(user.entered, 1);
  User larger(&arena_, 4096);
  larger.Reserve();
  EXPECT_EQ(user.released, 2);
}

}  // namespace
}  // namespace crema::test
