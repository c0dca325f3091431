// Tells the observers of a training what happens, and measures the time between displays.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "crema/net.h"
#include "crema/train_observer.h"

namespace crema {

class ProgressReporter {
 public:
  // Observers are called in the order in which they were added.
  void Add(std::shared_ptr<TrainObserver> observer) { observers_.push_back(std::move(observer)); }

  // Calls `call(observer)` for each.
  template <class F>
  void ForEach(const F& call) const {
    for (const auto& observer : observers_) call(*observer);
  }

  // Training goes on at this iteration: time is counted from here.
  void StartClock(int64_t iteration);
  // A display: the seconds since the last one, or since StartClock, which begin anew.
  double Lap();
  // Tells of the state before the update of `iteration`; `seconds` is what Lap gave. Reads the
  // outputs of the net, so it waits for the device.
  void Display(int64_t iteration, double loss, double rate, double seconds, const Net& net);

  // After data sources were opened anew: they may count the time that is waited for them from 0.
  void RestartWaiting(const Net& net);

 private:
  std::optional<double> WaitedShare(double seconds, const Net& net);

  std::vector<std::shared_ptr<TrainObserver>> observers_;
  double started_ = 0;        // of the clock, seconds
  int64_t last_display_ = 0;  // iteration
  double waited_before_ = 0;  // for data, seconds, at the last display
};

}  // namespace crema
