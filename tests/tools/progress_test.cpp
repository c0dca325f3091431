// Progress in a terminal (a pseudo terminal here) and in a log, by a clock of its own.
#include "../tools/progress.h"

#include <gmock/gmock.h>
#include <pty.h>
#include <unistd.h>

#include "train/train_test_util.h"

namespace crema {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A terminal of 40 columns.
class Terminal {
 public:
  Terminal() {
    winsize size = {};
    size.ws_row = 10;
    size.ws_col = 40;
    EXPECT_EQ(openpty(&reader_, &terminal_, nullptr, nullptr, &size), 0);
  }
  ~Terminal() {
    close(reader_);
    close(terminal_);
  }
  int fd() const { return terminal_; }
  // What has been written since the last call.
  std::string Read() const {
    if (write(terminal_, "#", 1) != 1) return "no end";
    std::string text;
    for (char letter = 0; letter != '#' && read(reader_, &letter, 1) == 1;) text += letter;
    return text.substr(0, text.size() - 1);
  }

 private:
  int reader_ = -1, terminal_ = -1;
};

TEST(Progress, SaysHowFarHowFastAndHowLong) {
  EXPECT_EQ(DescribeProgress(1200, 10000, "iterations", 40),
            "1200 of 10000 iterations (12 %), 40.0 iterations/s, 4 min left");
  EXPECT_EQ(DescribeProgress(1, 3, "batches", 0.04),
            "1 of 3 batches (33 %), 25.0 s/batch, 50 s left");
  EXPECT_EQ(DescribeProgress(0, 5, "iterations", 0), "0 of 5 iterations (0 %)");
  EXPECT_EQ(DescribeProgress(5, 5, "records", 123.4), "5 of 5 records (100 %), 123 records/s");
  EXPECT_EQ(DescribeProgress(70000, 0, "records", 1.5), "70000 records, 1.50 records/s");
  EXPECT_EQ(DescribeProgress(1, 20001, "iterations", 1),
            "1 of 20001 iterations (0 %), 1.00 iterations/s, 5 h 33 min left");
  EXPECT_EQ(DescribeProgress(1, 300001, "iterations", 1),
            "1 of 300001 iterations (0 %), 1.00 iterations/s, 3 days 11 h left");
}

TEST(Progress, WhatOthersWriteIsEscaped) {
  Terminal terminal;
  StatusLine line(terminal.fd());
  std::fputs("layer a\x1b[2J\xff", line.stream());
  EXPECT_EQ(terminal.Read(), "layer a\\x1b[2J\\xff");
  std::fputs("\x1b[0;31m", line.stream());  // a colour of the log's
  EXPECT_EQ(terminal.Read(), "\x1b[0;31m");
}

TEST(Progress, IsOneLineOfATerminal) {
  Terminal terminal;
  StatusLine line(terminal.fd());
  double now = 100;
  {
    Progress progress("reading", "files", 30, 10, &line, [&] { return now; });
    progress.Set(11);
    now = 101.9;
    progress.Set(12);
    EXPECT_EQ(terminal.Read(), "");  // what is done within two seconds needs none
    now = 104;
    progress.Set(14);
    EXPECT_EQ(terminal.Read(), "\rreading: 14 of 30 files (46 %), 1.00 fi\x1B[K");
    now = 104.1;
    progress.Set(15);
    EXPECT_EQ(terminal.Read(), "");  // not more often than can be read
    now = 105;
    progress.Add();
    EXPECT_EQ(terminal.Read(), "\rreading: 16 of 30 files (53 %), 1.20 fi\x1B[K");
  }
  EXPECT_EQ(terminal.Read(), "\r\x1B[K");
}

// Whoever else writes to standard error, such as the log, writes through the stream.
TEST(Progress, GivesWayToTheLog) {
  Terminal terminal;
  StatusLine line(terminal.fd());
  double now = 0;
  Progress progress("reading", "files", 0, 0, &line, [&] { return now; });
  std::fputs("first\n", line.stream());
  EXPECT_EQ(terminal.Read(), "first\r\n");
  now = 10;
  progress.Set(5);
  std::fprintf(line.stream(), "I%04d a line\n", 1130);
  std::fputs("another\n", line.stream());
  EXPECT_EQ(terminal.Read(),
            "\rreading: 5 files, 2.00 s/file\x1B[K\r\x1B[KI1130 a line\r\nanother\r\n");
  now = 11;
  progress.Set(11);
  EXPECT_EQ(terminal.Read(), "\rreading: 11 files, 1.00 files/s\x1B[K");
}

TEST(Progress, IsALineNowAndThenInALog) {
  LogCapture log;
  double now = 0;
  Progress progress("testing", "batches", 100, 0, nullptr, [&] { return now; });
  for (int i = 1; i <= 100; ++i) {
    now = i;
    progress.Set(static_cast<uint64_t>(i));
  }
  EXPECT_THAT(log.lines(),
              ElementsAre("testing: 30 of 100 batches (30 %), 1.00 batches/s, 70 s left",
                          "testing: 60 of 100 batches (60 %), 1.00 batches/s, 40 s left",
                          "testing: 90 of 100 batches (90 %), 1.00 batches/s, 10 s left"));
}

TEST(Progress, OfShortWorkSaysNothing) {
  LogCapture log;
  {
    Progress("testing", "batches", 2, 0, nullptr, [] { return 0.; }).Set(2);
  }
  EXPECT_THAT(log.lines(), IsEmpty());
}

}  // namespace
}  // namespace crema
