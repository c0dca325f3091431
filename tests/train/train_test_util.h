// What the tests of src/train share.
#pragma once

#include <glog/logging.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crema.pb.h"
#include "crema/trainer.h"
#include "schema/schema_test_util.h"

namespace crema {

// Collects what is logged while it lives.
class LogCapture : public google::LogSink {
 public:
  LogCapture() { google::AddLogSink(this); }
  ~LogCapture() override { google::RemoveLogSink(this); }

  void send(google::LogSeverity severity, const char*, const char*, int,
            const google::LogMessageTime&, const char* message, size_t length) override {
    lines_.emplace_back(message, length);
    if (severity == google::GLOG_WARNING) warnings_.emplace_back(message, length);
  }

  const std::vector<std::string>& lines() const { return lines_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  // All lines that hold `part`.
  std::vector<std::string> With(const std::string& part) const;
  // The lines that a run and its resumed twin must agree on, from the first one of `iteration` on:
  // losses, outputs and rates, without the speed.
  std::vector<std::string> ResultsFrom(int64_t iteration) const;

 private:
  std::vector<std::string> lines_, warnings_;
};

// "Iteration 5 (3 iter/s, 0.3s/1 iters), loss = 2" -> "Iteration 5, loss = 2".
std::string WithoutSpeed(const std::string& line);

// A database of `count` images whose pixels and labels (below `classes`) depend on the record.
void MakeImages(const std::string& path, int count, int channels, int size, int classes);

// A solver of the given text, with nets inside in the current format. What `more` gives takes the
// place of, or is added to, what `text` gives.
proto::SolverParameter ParseSolver(const std::string& text, const std::string& more = "");

std::unique_ptr<Trainer> MakeTrainer(const proto::SolverParameter& solver,
                                     const std::string& resume_from = "",
                                     std::function<Action()> poll = nullptr,
                                     DType dtype = DType::kFloat32);

// Bit-exact copies of all parameters.
std::vector<double> WeightsOf(const Trainer& trainer);
// Without its seal.
proto::SolverState ReadState(const std::string& path);
// Gives it a seal that fits, unless it is as Caffe's.
void WriteState(const std::string& path, const proto::SolverState& state);

// The names in a folder, sorted.
std::vector<std::string> FilesIn(const std::filesystem::path& folder);

// A net of one inner product that learns from random numbers, and its solver's other fields.
std::string TinyNet();
std::string TinySolver(const std::filesystem::path& folder);

}  // namespace crema
