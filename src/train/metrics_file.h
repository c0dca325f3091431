// Training in JSON lines, for programs: `crema train --metrics=FILE`.
#pragma once

#include <string>

#include "crema/train_observer.h"
#include "train/append_file.h"

namespace crema {

// Each line is one object, added whole as it happens. docs/watching_training.md lists its members.
class MetricsFile : public TrainObserver {
 public:
  // Goes on at the end of a file that is there. Throws Error where it cannot be written, or is
  // something else.
  explicit MetricsFile(const std::string& path);

  void OnStart(const TrainStart& start) override;
  void OnDisplay(const TrainPoint& point) override;
  void OnTest(const TestPoint& point) override;

 private:
  AppendFile file_;
};

// A number as JSON, with as many digits as a float32 needs: those that JSON lacks are the strings
// "nan", "inf" and "-inf".
std::string JsonNumber(double value);
// A string in quotes. Bytes that are no UTF-8 are taken for Latin-1.
std::string JsonString(const std::string& text);

}  // namespace crema
