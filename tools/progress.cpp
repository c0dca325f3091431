#include "progress.h"

#include <glog/logging.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "crema/error.h"

namespace crema {
namespace {

constexpr double kFirst = 2, kInTerminal = 0.2, kInLog = 30;  // seconds

double Now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

std::string Format(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Three digits, as far as they stand behind the point.
std::string ShortNumber(double value) {
  return Format(value >= 99.95 ? "%.0f" : value >= 9.995 ? "%.1f" : "%.2f", value);
}

// "iterations/s" of less than one are seconds for each.
std::string DescribeRate(double rate, const std::string& unit) {
  if (rate >= 1) return ShortNumber(rate) + " " + unit + "/s";
  const bool plural = unit.size() > 1 && unit.back() == 's';
  const std::string one = unit == "batches" ? "batch"
                          : plural          ? unit.substr(0, unit.size() - 1)
                                            : unit;
  return ShortNumber(1 / rate) + " s/" + one;
}

std::string DescribeTime(double seconds) {
  const auto whole = static_cast<int64_t>(std::min(std::ceil(seconds), 1e12));
  const int64_t minutes = (whole + 30) / 60, hours = (minutes + 30) / 60;
  if (whole < 90) return Concat(whole, " s");
  if (minutes < 90) return Concat(minutes, " min");
  if (hours < 48) return Concat(minutes / 60, " h ", minutes % 60, " min");
  return Concat(hours / 24, " days ", hours % 24, " h");
}

}  // namespace

std::string DescribeProgress(uint64_t done, uint64_t all, const std::string& unit, double rate) {
  std::string text = std::to_string(done);
  if (all > 0) text += Concat(" of ", all);
  text += " " + unit;
  if (all > 0) text += Concat(" (", 100 * done / all, " %)");
  if (rate <= 0) return text;
  text += ", " + DescribeRate(rate, unit);
  if (all > done) text += ", " + DescribeTime(static_cast<double>(all - done) / rate) + " left";
  return text;
}

Progress::Progress(std::string what, std::string unit, uint64_t all, uint64_t before)
    : Progress(std::move(what), std::move(unit), all, before,
               FLAGS_minloglevel > 0 ? nullptr : StderrStatusLine(), Now) {}

Progress::Progress(std::string what, std::string unit, uint64_t all, uint64_t before,
                   StatusLine* line, Clock clock)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      all_(all),
      before_(before),
      done_(before),
      line_(line),
      clock_(std::move(clock)),
      started_(clock_()),
      next_(started_ + (line_ == nullptr ? kInLog : kFirst)) {}

Progress::~Progress() {
  if (line_ != nullptr) line_->Hide();
}

std::string Progress::Text(double seconds) const {
  const double rate = seconds > 0 ? static_cast<double>(done_ - before_) / seconds : 0;
  return what_ + ": " + DescribeProgress(done_, all_, unit_, rate);
}

void Progress::Set(uint64_t done) {
  done_ = done;
  const double now = clock_();
  if (now < next_) return;
  next_ = now + (line_ == nullptr ? kInLog : kInTerminal);
  if (line_ != nullptr) {
    line_->Show(Text(now - started_));
  } else if (done_ != all_) {
    LOG(INFO) << Text(now - started_);
  }
}

void ProgressObserver::OnStart(const TrainStart& start) {
  training_ =
      std::make_unique<Progress>("training", "iterations", static_cast<uint64_t>(start.max_iter),
                                 static_cast<uint64_t>(start.iteration));
}

void ProgressObserver::OnIteration(int64_t done, int64_t /*max_iter*/) {
  if (training_ != nullptr) training_->Set(static_cast<uint64_t>(done));
}

void ProgressObserver::OnTestStart(int64_t /*iteration*/, int /*net*/) { testing_.reset(); }

void ProgressObserver::OnTestBatch(int64_t done, int64_t all) {
  if (testing_ == nullptr) {
    testing_ = std::make_unique<Progress>("testing", "batches", static_cast<uint64_t>(all));
  }
  testing_->Set(static_cast<uint64_t>(done));
}

void ProgressObserver::OnTest(const TestPoint& /*point*/) { testing_.reset(); }

}  // namespace crema
