// What crema time measured, and how it is told.
#pragma once

#include <string>
#include <vector>

namespace crema {

struct LayerTime {
  std::string name, type;
  std::string with;  // the layers whose work it does too, "" or "scale1, relu1"
  double forward_ms = 0, backward_ms = 0;        // means
  double forward_flops = 0, backward_flops = 0;  // of one pass; 0: not worth counting
  double forward_gflops() const { return Rate(forward_flops, forward_ms); }
  double backward_gflops() const { return Rate(backward_flops, backward_ms); }

 private:
  static double Rate(double flops, double ms) { return ms > 0 ? flops / ms / 1e6 : 0; }
};

// Medians over the iterations, if not said otherwise. Without training only the forward pass and
// the iteration that consists of it are there.
struct TimeReport {
  std::string net;
  bool trains = true;
  int iterations = 0;
  int64_t batch = 0;
  double iteration_ms = 0, forward_ms = 0, backward_ms = 0, update_ms = 0;
  double iteration_mean_ms = 0;  // far above the median if some iterations were disturbed
  double images_per_second = 0;
  double peak_gflops = 0;   // of sgemm
  uint64_t peak_bytes = 0;  // resident memory of the process; on a GPU, what the net takes there
  std::vector<LayerTime> layers;
};

// Caffe's lines tell the means; these follow them.
void LogReport(const TimeReport& report);

// One JSON object. Throws Error where the file cannot be written.
void WriteJson(const TimeReport& report, const std::string& path);

}  // namespace crema
