// What a running training tells those who follow it: the log, metrics files, event files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace crema {

class Net;

// One element of one output blob of a net.
struct OutputElement {
  std::string blob;
  float loss_weight;  // 0: no loss
  double value;
};

// A training begins, or goes on.
struct TrainStart {
  std::string net;
  std::string lr_policy;
  int64_t iteration;  // updates done before; above 0 if a snapshot is resumed
  int64_t max_iter = 0;
};

// The state before the update of `iteration`, every `display` iterations.
struct TrainPoint {
  int64_t iteration = 0;
  double loss = 0;                     // mean of the last average_loss iterations
  std::vector<OutputElement> outputs;  // of the last batch
  double learning_rate = 0;
  double seconds = 0;      // since the point before
  int64_t iterations = 0;  // done in that time
  // Share of that time, 0 to 1, that went by in waiting for data; none where no layer reads ahead.
  std::optional<double> waited;
  // The look at the trained net after the last update. It has no rate and no speed.
  bool last = false;
};

// The result of one test of one test net.
struct TestPoint {
  int64_t iteration = 0;
  int net = 0;
  std::optional<double> loss;          // where the solver sets test_compute_loss
  std::vector<OutputElement> outputs;  // means over the test's batches
};

// Called on the thread that trains, in the order of what happens. What a call throws ends the
// training.
class TrainObserver {
 public:
  // When the trainer ends, or later if the program keeps the observer.
  virtual ~TrainObserver() = default;

  // Once, before the first iteration.
  virtual void OnStart(const TrainStart&) {}
  // Every `display` iterations, before the update; and once after the last update.
  virtual void OnDisplay(const TrainPoint&) {}
  // Before a test. `net` is the test net's number in the solver, from 0.
  virtual void OnTestStart(int64_t /*iteration*/, int /*net*/) {}
  // After each iteration: how many are done, of how many.
  virtual void OnIteration(int64_t /*done*/, int64_t /*max_iter*/) {}
  // After each batch of a test: how many are done, of how many.
  virtual void OnTestBatch(int64_t /*done*/, int64_t /*all*/) {}
  // After a test that was not stopped on the way.
  virtual void OnTest(const TestPoint&) {}

  // Whether OnParameters is to be called in this iteration.
  virtual bool WantsParameters(int64_t /*iteration*/) const { return false; }
  // After the backward passes and before the update. Gradients are multiplied by
  // `gradient_factor` to be the mean over iter_size. Reading them waits for the device.
  virtual void OnParameters(int64_t /*iteration*/, const Net&, double /*gradient_factor*/) {}
};

}  // namespace crema
