// How far something is that takes a while, how fast it goes, and when it will be done.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "crema/train_observer.h"
#include "status_line.h"

namespace crema {

// In a terminal the last line of standard error tells it, from two seconds after the start on.
// Elsewhere the log has a line now and then. Neither is there if --minloglevel leaves such lines
// out.
class Progress {
 public:
  using Clock = std::function<double()>;  // seconds

  // "testing", "batches"; `all` is 0 if nobody knows how many there will be. `before` are done
  // already, and say nothing of the speed.
  Progress(std::string what, std::string unit, uint64_t all, uint64_t before = 0);
  Progress(std::string what, std::string unit, uint64_t all, uint64_t before, StatusLine* line,
           Clock clock);
  // Erases the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // So many are done.
  void Set(uint64_t done);
  void Add() { Set(done_ + 1); }

 private:
  std::string Text(double seconds) const;

  std::string what_, unit_;
  uint64_t all_, before_, done_;
  StatusLine* line_;  // null: the log
  Clock clock_;
  double started_, next_;
};

// "1234 of 10000 iterations (12 %), 35.2 iterations/s, 4 min left".
std::string DescribeProgress(uint64_t done, uint64_t all, const std::string& unit, double rate);

// Shows how far a training is, and the tests on its way.
class ProgressObserver : public TrainObserver {
 public:
  void OnStart(const TrainStart& start) override;
  void OnIteration(int64_t done, int64_t max_iter) override;
  void OnTestStart(int64_t iteration, int net) override;
  void OnTestBatch(int64_t done, int64_t all) override;
  void OnTest(const TestPoint& point) override;

 private:
  std::unique_ptr<Progress> training_, testing_;
};

}  // namespace crema
