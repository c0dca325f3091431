// Several observers of a pass as one.
#pragma once

#include <vector>

#include "crema/pass_observer.h"

namespace crema {

// Passes on all that it is told, to each observer in the order in which they were added.
class ObserverList : public PassObserver {
 public:
  // Not owned; null adds none.
  void Add(PassObserver* observer) {
    if (observer != nullptr) observers_.push_back(observer);
  }

  void BeginForward() override {
    for (PassObserver* each : observers_) each->BeginForward();
  }
  void BeforeForward(int layer, int lane) override {
    for (PassObserver* each : observers_) each->BeforeForward(layer, lane);
  }
  void AfterForward(int layer, int lane) override {
    for (PassObserver* each : observers_) each->AfterForward(layer, lane);
  }
  void BeforeBackward(int layer) override {
    for (PassObserver* each : observers_) each->BeforeBackward(layer);
  }
  void AfterBackward(int layer) override {
    for (PassObserver* each : observers_) each->AfterBackward(layer);
  }
  void EndBackward() override {
    for (PassObserver* each : observers_) each->EndBackward();
  }

 private:
  std::vector<PassObserver*> observers_;
};

}  // namespace crema
