// Training curves out of logs and metrics files.
#pragma once

#include <string>
#include <vector>

namespace crema {

struct CurvePoint {
  double iteration;
  double seconds;  // of training so far; pauses between a stop and a resume do not count
  double value;    // may be nan or infinite
};

// Names are "loss", "lr", "speed" (iterations per second), "waited" (percent of the time that
// training waited for data), and "train/BLOB" and "test/BLOB" for outputs. A further test net's are
// "test_1/BLOB"; further elements of a blob "test/BLOB[1]".
struct Curve {
  std::string name;
  bool is_loss = false;            // "loss", and outputs that the log marks as one
  std::vector<CurvePoint> points;  // iterations ascend
};

struct Run {
  std::string path;
  bool has_times = false;     // else all seconds are 0
  std::vector<Curve> curves;  // in the order in which they appear

  const Curve* Find(const std::string& name) const;
};

// Reads a log of crema's or of Caffe's, or a file that `crema train --metrics` wrote. A log may
// have anything before Caffe's words: another program's time or name, or nothing. If a run went
// back to a snapshot, what came after the snapshot before is replaced. Throws Error if the file
// cannot be read or shows no training.
Run ReadRun(const std::string& path);

}  // namespace crema
