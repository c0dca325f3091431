#include "train/signals.h"

#include <gtest/gtest.h>

#include <csignal>

namespace crema {
namespace {

TEST(SignalWatcher, TurnsSignalsIntoActions) {
  SignalWatcher watcher(Action::kStop, Action::kSnapshot, Action::kNone);
  EXPECT_EQ(watcher.Poll(), Action::kNone);
  std::raise(SIGINT);
  EXPECT_EQ(watcher.Poll(), Action::kStop);
  EXPECT_EQ(watcher.Poll(), Action::kNone);
  std::raise(SIGHUP);
  std::raise(SIGHUP);
  EXPECT_EQ(watcher.Poll(), Action::kSnapshot);
  EXPECT_EQ(watcher.Poll(), Action::kNone);
}

TEST(SignalWatcher, TellsOfBothSignals) {
  SignalWatcher watcher(Action::kSnapshot, Action::kStop, Action::kNone);
  std::raise(SIGHUP);
  std::raise(SIGINT);
  EXPECT_EQ(watcher.Poll(), Action::kSnapshot);
  EXPECT_EQ(watcher.Poll(), Action::kStop);
  EXPECT_EQ(watcher.Poll(), Action::kNone);
}

TEST(SignalWatcher, TellsWhichSignalStopped) {
  SignalWatcher watcher(Action::kStop, Action::kSnapshot, Action::kStop);
  std::raise(SIGHUP);
  EXPECT_EQ(watcher.Poll(), Action::kSnapshot);
  EXPECT_EQ(watcher.stopped_by(), 0);
  std::raise(SIGINT);
  std::raise(SIGTERM);
  EXPECT_EQ(watcher.Poll(), Action::kStop);
  EXPECT_EQ(watcher.stopped_by(), SIGTERM);
  EXPECT_EQ(watcher.Poll(), Action::kStop);
  EXPECT_EQ(watcher.stopped_by(), SIGINT);
}

// A signal that does nothing must not hide another one, nor what came before be told of later.
TEST(SignalWatcher, IgnoredSignalsHideNothing) {
  {
    SignalWatcher watcher(Action::kNone, Action::kSnapshot, Action::kNone);
    std::raise(SIGINT);
    std::raise(SIGHUP);
    EXPECT_EQ(watcher.Poll(), Action::kSnapshot);
    std::raise(SIGHUP);
  }
  SignalWatcher next(Action::kStop, Action::kSnapshot, Action::kNone);
  EXPECT_EQ(next.Poll(), Action::kNone);
}

TEST(SignalWatcher, TellsOfAStopBeforeItIsPolled) {
  SignalWatcher watcher(Action::kSnapshot, Action::kNone, Action::kStop);
  std::raise(SIGINT);
  EXPECT_FALSE(watcher.Stopping());
  std::raise(SIGTERM);
  EXPECT_TRUE(watcher.Stopping());
  EXPECT_TRUE(watcher.Stopping());
  EXPECT_EQ(watcher.stopped_by(), SIGTERM);
  EXPECT_EQ(watcher.Poll(), Action::kStop);
  EXPECT_FALSE(watcher.Stopping());
}

// As long as there is nothing to save.
TEST(SignalWatcherDeathTest, LetsStopsEndTheProcess) {
  const auto raise = [](int signal) {
    SignalWatcher watcher(Action::kStop, Action::kSnapshot, Action::kStop);
    watcher.SetStopEndsProcess(true);
    std::raise(SIGHUP);
    if (watcher.Poll() == Action::kSnapshot) std::raise(signal);
  };
  EXPECT_EXIT(raise(SIGTERM), testing::KilledBySignal(SIGTERM), "");
  EXPECT_EXIT(raise(SIGINT), testing::KilledBySignal(SIGINT), "");
  SignalWatcher watcher(Action::kStop, Action::kSnapshot, Action::kStop);
  watcher.SetStopEndsProcess(true);
  watcher.SetStopEndsProcess(false);
  std::raise(SIGTERM);
  EXPECT_EQ(watcher.Poll(), Action::kStop);
}

TEST(SignalWatcher, PutsTheOldHandlersBack) {
  const auto before = std::signal(SIGINT, SIG_IGN);
  { SignalWatcher watcher(Action::kStop, Action::kNone, Action::kNone); }
  EXPECT_EQ(std::signal(SIGINT, before), SIG_IGN);
  EXPECT_EQ(std::signal(SIGTERM, SIG_DFL), SIG_DFL);
}

}  // namespace
}  // namespace crema
