#include "train/rollback.h"

#include <glog/logging.h>

#include "train/interruptible_pass.h"

namespace crema {

Rollback::Rollback(const Parts& parts, bool takes_iterations, bool keeps_gradients)
    : parts_(parts) {
  Net* train = &parts.nets->train();
  if (takes_iterations) {
    std::vector<Tensor> gradients;
    if (keeps_gradients && !train->flat_gradients().empty()) gradients = {train->flat_gradients()};
    before_iteration_ = std::make_unique<PassState>(train, gradients);
  }
  std::vector<Tensor> averages;
  const Tensor& average = parts.average->average();
  if (!average.empty()) averages = StatisticsIn(*train, average);
  // A BatchNorm that learns in tests moves the training net's statistics.
  before_tests_.push_back(std::make_unique<PassState>(train, averages));
  for (int i = 0; i < parts.nets->tests(); ++i) {
    before_tests_.push_back(std::make_unique<PassState>(&parts.nets->test(i)));
  }
}

bool Rollback::RunIteration(int64_t iteration, const std::function<void()>& passes) {
  if (before_iteration_ != nullptr) before_iteration_->Note();
  try {
    passes();
    return true;
  } catch (const PassInterrupted&) {
    before_iteration_->TakeBack();
    if (tested_ == iteration) TakeTestsBack();
    parts_.reporter->RestartWaiting(parts_.nets->train());
    return false;
  }
}

void Rollback::RunTests(int64_t iteration, const std::function<bool()>& tests) {
  if (tested_ != iteration) NoteBeforeTests();
  in_tests_ = true;
  bool finished = false;
  try {
    finished = tests();
  } catch (...) {
    in_tests_ = false;
    TakeTestsBack();  // what a test that fails has moved does not count
    throw;
  }
  in_tests_ = false;
  tested_ = iteration;
  if (!finished) TakeTestsBack();
}

void Rollback::NoteBeforeTests() {
  for (const auto& state : before_tests_) state->Note();
  parts_.tester->Note();
  parts_.metrics->Note();
}

void Rollback::TakeTestsBack() {
  tested_ = -1;
  before_tests_[0]->Exchange();  // no test reads the training data
  for (size_t i = 1; i < before_tests_.size(); ++i) before_tests_[i]->TakeBack();
  parts_.tester->TakeBack();
  parts_.metrics->TakeBack();
}

Rollback::BeforeTests::BeforeTests(Rollback* rollback, int64_t iteration)
    : rollback_(*rollback),
      tested_(rollback->in_tests_ || rollback->tested_ == iteration),
      used_average_(rollback->parts_.average->in_use()) {
  if (!tested_) return;
  rollback_.parts_.metrics->Exchange();
  rollback_.parts_.average->UseAverage(false);
  ExchangeStates();
}

Rollback::BeforeTests::~BeforeTests() {
  if (!tested_) return;
  rollback_.parts_.metrics->Exchange();
  try {
    ExchangeStates();
    rollback_.parts_.average->UseAverage(used_average_);
  } catch (const std::exception& error) {  // the device is gone
    LOG(ERROR) << "The state of the test could not be put back: " << error.what();
  }
}

void Rollback::BeforeTests::ExchangeStates() {
  for (const auto& state : rollback_.before_tests_) state->Exchange();
}

}  // namespace crema
