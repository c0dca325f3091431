// The words in which training and testing report results, which people's scripts parse.
#pragma once

#include <string>
#include <vector>

#include "crema/net.h"
#include "crema/train_observer.h"

namespace crema {

// As a C++ stream prints a float, but never "-nan".
std::string FormatNumber(double value);

// All elements of all outputs, in the net's order. Waits for the device.
std::vector<OutputElement> ReadOutputs(const Net& net);

// "accuracy = 0.99", or "loss = 0.03 (* 1 = 0.03 loss)".
std::string FormatOutput(const OutputElement& output);

// Throws Error if no layer of a net took weights from the file: it is that of another net.
void CheckSomeMatched(const WeightsReport& report, const std::string& path, const std::string& net);

// Throws Error if the net has an input that nobody fills: layers of type Input wait for a program
// that sets their blobs. `advice` ends the sentence.
void CheckNoOpenInputs(const Net& net, const std::string& advice);

// Warns of outputs with so many numbers that nobody will read them one by one in the log: mostly a
// blob that a layer was meant to read.
void WarnOfLargeOutputs(const Net& net);

// Writes Caffe's lines to the log. `display` is the solver's.
class LogObserver : public TrainObserver {
 public:
  explicit LogObserver(int display) : display_(display) {}

  void OnStart(const TrainStart& start) override;
  void OnDisplay(const TrainPoint& point) override;
  void OnTestStart(int64_t iteration, int net) override;
  void OnTest(const TestPoint& point) override;

 private:
  int display_;
};

}  // namespace crema
