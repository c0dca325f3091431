#include "commands/time_report.h"

#include <glog/logging.h>

#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "base/strings.h"
#include "crema/error.h"
#include "schema/binary_io.h"
#include "train/metrics_file.h"

namespace crema {
namespace {

std::string Percent(double part, double whole) {
  return whole > 0 ? Concat(std::lround(100 * part / whole), " %") : "-";
}

// "12.3 GFLOP/s (40 %)".
std::string Speed(double gflops, double peak) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << gflops << " GFLOP/s (" << Percent(gflops, peak)
       << ")";
  return text.str();
}

void WriteLayer(const LayerTime& layer, std::ostream& out) {
  out << "    {\"name\": " << JsonString(layer.name) << ", \"type\": " << JsonString(layer.type)
      << ", \"fused\": " << JsonString(layer.with) << ", \"forward_ms\": " << layer.forward_ms
      << ", \"backward_ms\": " << layer.backward_ms
      << ", \"forward_gflops\": " << layer.forward_gflops()
      << ", \"backward_gflops\": " << layer.backward_gflops() << "}";
}

}  // namespace

void LogReport(const TimeReport& report) {
  LOG(INFO) << "sgemm reaches " << std::lround(report.peak_gflops) << " GFLOP/s here.";
  for (const LayerTime& layer : report.layers) {
    if (layer.forward_flops == 0) continue;
    LOG(INFO) << std::setw(10) << layer.name
              << "\tforward: " << Speed(layer.forward_gflops(), report.peak_gflops)
              << (report.trains ? ", backward: " : "")
              << (report.trains ? Speed(layer.backward_gflops(), report.peak_gflops) : "");
  }
  const char* what = report.trains ? "Training iteration" : "Inference (forward only)";
  const std::string result =
      Concat(what, ": ", report.iteration_ms, " ms (median of ", report.iterations, "), ",
             report.images_per_second, " images/s.");
  LOG(INFO) << result;
  std::cout << result << std::endl;
  if (report.trains) {
    LOG(INFO) << "Forward " << report.forward_ms << " ms, backward " << report.backward_ms
              << " ms, update " << report.update_ms << " ms.";
  }
  LOG(INFO) << "Peak memory: " << BytesToString(static_cast<double>(report.peak_bytes)) << ".";
}

void WriteJson(const TimeReport& report, const std::string& path) {
  std::ostringstream out;
  out << std::setprecision(6) << "{\n  \"net\": " << JsonString(report.net)
      << ",\n  \"phase\": " << (report.trains ? "\"TRAIN\"" : "\"TEST\"")
      << ",\n  \"iterations\": " << report.iterations << ",\n  \"batch\": " << report.batch
      << ",\n  \"iteration_ms\": " << report.iteration_ms
      << ",\n  \"iteration_mean_ms\": " << report.iteration_mean_ms
      << ",\n  \"forward_ms\": " << report.forward_ms
      << ",\n  \"backward_ms\": " << report.backward_ms
      << ",\n  \"update_ms\": " << report.update_ms
      << ",\n  \"images_per_second\": " << report.images_per_second
      << ",\n  \"sgemm_gflops\": " << report.peak_gflops
      << ",\n  \"peak_bytes\": " << report.peak_bytes << ",\n  \"layers\": [";
  for (size_t i = 0; i < report.layers.size(); ++i) {
    out << (i == 0 ? "\n" : ",\n");
    WriteLayer(report.layers[i], out);
  }
  out << "\n  ]\n}\n";
  try {
    WriteFileOrStream(path, out.str());
  } catch (const Error& error) {
    Fail("--json=", error);
  }
}

}  // namespace crema
