// Giving up an iteration or a test that is under way, so that a stop need not wait for its end:
// whatever the passes have changed by then is taken back.
#include "train/interrupt.h"

#include <glog/logging.h>

#include <utility>

#include "crema.pb.h"
#include "crema/math/host_tasks.h"
#include "crema/train/trainer.h"
#include "train/pass_state.h"

namespace crema {

void Trainer::PrepareTakingBack() {
  if (options_.interrupt && CanTakeBack(*net_)) {
    std::vector<Tensor> gradients;  // a snapshot has those of the iteration before
    const bool learns = !net_->flat_gradients().empty();
    if (solver_->snapshot_diff() && learns) gradients = {net_->flat_gradients()};
    before_iteration_ = std::make_unique<PassState>(net_.get(), gradients);
  }
  std::vector<Tensor> averages;
  if (!average_.empty()) averages = StatisticsIn(*net_, average_);
  // A BatchNorm that learns in tests moves the training net's statistics.
  before_tests_.push_back(std::make_unique<PassState>(net_.get(), averages));
  for (const auto& net : test_nets_) {
    before_tests_.push_back(std::make_unique<PassState>(net.get()));
  }
}

void Trainer::Forward(Net* net, uint64_t step) const {
  const bool can_end = net == net_.get() ? before_iteration_ != nullptr : CanTakeBack(*net);
  if (!options_.interrupt || !can_end) return net->Forward(step);
  InterruptWatch watch(options_.interrupt);
  net->Forward(step, &watch);
}

void Trainer::Backward() const {
  if (before_iteration_ == nullptr || solver_->debug_info()) return net_->Backward();
  InterruptWatch watch(options_.interrupt);
  net_->Backward(&watch);
}

// Returns false if it was interrupted, and then has changed nothing.
bool Trainer::RunOrTakeBack(const std::function<void()>& passes) {
  if (before_iteration_ != nullptr) before_iteration_->Note();
  try {
    passes();
    return true;
  } catch (const PassInterrupted&) {
    const PlansForThreads threads(options_.threads);
    before_iteration_->TakeBack();
    if (tested_ == iteration_) TakeTestsBack();  // which will be repeated
    // Sources that are opened anew may count the time from 0.
    waited_before_ = net_->WaitedSeconds().value_or(0);
    stop_ = true;
    return false;
  }
}

// Further tests of an iteration (a program's) change nothing about how it was before them.
void Trainer::BeginTests() {
  in_tests_ = true;
  if (tested_ == iteration_) return;
  for (const auto& state : before_tests_) state->Note();
  tests_done_before_ = tests_done_;
  findings_before_ = findings_;
}

// What a test that fails has moved does not count.
void Trainer::RunTests(const std::function<void()>& tests) {
  BeginTests();
  try {
    tests();
  } catch (...) {
    in_tests_ = false;
    TakeTestsBack();
    throw;
  }
  EndTests();
}

void Trainer::EndTests() {
  in_tests_ = false;
  tested_ = iteration_;
  if (stop_) TakeTestsBack();
}

void Trainer::TakeTestsBack() {
  const PlansForThreads threads(options_.threads);
  tested_ = -1;
  before_tests_[0]->Exchange();  // no test reads the training data
  for (size_t i = 1; i < before_tests_.size(); ++i) before_tests_[i]->TakeBack();
  tests_done_ = tests_done_before_;
  findings_ = findings_before_;
}

Trainer::BeforeTests::BeforeTests(Trainer* trainer)
    : trainer_(*trainer),
      tested_(trainer->in_tests_ || trainer->tested_ == trainer->iteration_),
      shown_(trainer->shows_average_) {
  if (!tested_) return;
  const PlansForThreads threads(trainer_.options_.threads);
  std::swap(trainer_.findings_, trainer_.findings_before_);
  trainer_.ShowAverage(false);
  for (const auto& state : trainer_.before_tests_) state->Exchange();
}

Trainer::BeforeTests::~BeforeTests() {
  if (!tested_) return;
  const PlansForThreads threads(trainer_.options_.threads);
  std::swap(trainer_.findings_, trainer_.findings_before_);
  try {
    for (const auto& state : trainer_.before_tests_) state->Exchange();
    trainer_.ShowAverage(shown_);
  } catch (const std::exception& error) {  // the device is gone
    LOG(ERROR) << "The state of the test could not be put back: " << error.what();
  }
}

}  // namespace crema
