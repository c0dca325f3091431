#include "plot/curves.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>

#include "crema/error.h"
#include "plot/json.h"
#include "plot/log_lines.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

// What no training reaches. Larger numbers would leave axes without room between their ticks.
constexpr double kMostIterations = 1e15, kLatestTime = 1e12, kMostValue = 1e100;

// The curves of a run by their names.
class CurveTable {
 public:
  explicit CurveTable(Run* run) : run_(run) {}
  void SayHasTimes() { run_->has_times = true; }
  // Makes it where it is not there.
  Curve& At(const std::string& name) {
    const auto place = places_.emplace(name, run_->curves.size());
    if (place.second) run_->curves.push_back({name, false, {}});
    return run_->curves[place.first->second];
  }

 private:
  Run* run_;
  std::unordered_map<std::string, size_t> places_;
};

// Puts points into curves, and keeps the clock of the training. Numbers that cannot be are left
// out; values that are too large to be drawn are taken for infinite.
class Collector {
 public:
  explicit Collector(CurveTable* curves) : curves_(curves) {}

  // A training begins or goes on. The clock goes on where it stood.
  void Begin() {
    base_ = seconds_;
    started_.reset();
  }
  void SetClock(double time) {
    if (!(std::fabs(time) <= kLatestTime)) return;
    curves_->SayHasTimes();
    if (!started_.has_value()) started_ = time;
    seconds_ = std::max(seconds_, base_ + time - *started_);
  }
  void Add(const std::string& name, bool is_loss, double iteration, double value);

 private:
  CurveTable* curves_;
  double seconds_ = 0, base_ = 0;
  std::optional<double> started_;
};

void Collector::Add(const std::string& name, bool is_loss, double iteration, double value) {
  if (!(iteration >= 0 && iteration <= kMostIterations)) return;
  if (std::fabs(value) > kMostValue) value = std::copysign(HUGE_VAL, value);
  Curve& curve = curves_->At(name);
  curve.is_loss = curve.is_loss || is_loss;
  while (!curve.points.empty() && curve.points.back().iteration >= iteration) {
    curve.points.pop_back();
  }
  curve.points.push_back({iteration, seconds_, value});
}

// Names of elements: blobs of one element keep theirs, of others the second is "BLOB[1]".
class ElementNames {
 public:
  std::string Next(const std::string& blob) {
    const int element = seen_[blob]++;
    return element == 0 ? blob : Concat(blob, "[", element, "]");
  }

 private:
  std::map<std::string, int> seen_;
};

// Of the outputs of a test net, by its number: the names that event files have, too.
std::string TestGroup(double net) { return net == 0 ? "test" : Concat("test_", net); }

// ---- logs ----

// Reads lines such as
//   I1123 13:39:22.381027  2521 solver.cpp:239] Iteration 100 (50 iter/s, 2s/100 iters), loss = 0.2
// whatever stands before them, or in place of glog's prefix.
class LogReader {
 public:
  LogReader(CurveTable* curves, int year) : out_(curves), year_(year) {}
  // Returns whether the line is one of Caffe's.
  bool ReadLine(const std::string& line);

 private:
  void ReadIteration(const std::string& text);
  void ReadOutput(const std::string& text, const std::string& group);

  Collector out_;
  int year_;
  double iteration_ = 0;
  std::string test_group_ = "test";
  ElementNames names_;
};

bool IsLetterOrDigit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

double ToSeconds(int year, int month, int day, int hour, int minute, double second) {
  std::tm time = {};
  time.tm_year = year - 1900;
  time.tm_mon = month - 1;
  time.tm_mday = day;
  return static_cast<double>(timegm(&time)) + hour * 3600 + minute * 60 + second;
}

// "I1123 13:39:22.381027", or with the year, as newer versions of glog write it.
std::optional<double> GlogClock(const char* text, int year) {
  int date = 0, hour = 0, minute = 0, digits = 0;
  double second = 0;
  if (text[0] == '\0' || std::strchr("IWEF", text[0]) == nullptr) return std::nullopt;
  if (std::sscanf(text + 1, "%8d%n %2d:%2d:%lf", &date, &digits, &hour, &minute, &second) != 4 ||
      (digits != 4 && digits != 8)) {
    return std::nullopt;
  }
  const int in_year = digits == 8 ? date / 10000 : year;
  return ToSeconds(in_year, date / 100 % 100, date % 100, hour, minute, second);
}

// "2024-01-31T23:59:59.5", with a space or a "T", "-" or "/".
std::optional<double> IsoClock(const char* text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0;
  double second = 0;
  if (std::sscanf(text, "%4d%*1[-/]%2d%*1[-/]%2d%*1[T ]%2d:%2d:%lf", &year, &month, &day, &hour,
                  &minute, &second) != 6 ||
      year < 1970) {
    return std::nullopt;
  }
  return ToSeconds(year, month, day, hour, minute, second);
}

// The time that the letters before `end` tell, as far as lines have any: glog's, or else one in
// ISO's form.
std::optional<double> FindClock(const std::string& line, size_t end, int year) {
  constexpr size_t kMostLetters = 1000, kLongestClock = 64;
  std::optional<double> iso;
  for (size_t i = end - std::min(end, kMostLetters); i < end; ++i) {
    if (i > 0 && IsLetterOrDigit(line[i - 1])) continue;
    const std::string here = line.substr(i, kLongestClock);  // sscanf looks for the end first
    if (const auto glog = GlogClock(here.c_str(), year)) return glog;
    if (!iso.has_value()) iso = IsoClock(here.c_str());
  }
  return iso;
}

// Where "Iteration 100, ..." or "Iteration 100 (..." begins; npos: nowhere.
size_t FindIteration(const std::string& line) {
  constexpr char kWord[] = "Iteration ";
  for (size_t at = line.find(kWord); at != std::string::npos; at = line.find(kWord, at + 1)) {
    const size_t number = at + sizeof kWord - 1;
    const size_t end = line.find_first_not_of("0123456789", number);
    if (end == number || end == std::string::npos) continue;
    if (line[end] == ',' || line.compare(end, 2, " (") == 0) return at;
  }
  return std::string::npos;
}

// The number behind `key`; none where it is not there.
std::optional<double> NumberAfter(const std::string& text, const std::string& key) {
  const size_t at = text.find(key);
  if (at == std::string::npos) return std::nullopt;
  const char* begin = text.c_str() + at + key.size();
  char* end = nullptr;
  const double value = std::strtod(begin, &end);  // also nan and inf
  if (end == begin) return std::nullopt;
  return value;
}

void LogReader::ReadIteration(const std::string& text) {
  const std::optional<double> iteration = NumberAfter(text, "Iteration ");
  if (!iteration.has_value()) return;
  iteration_ = *iteration;
  names_ = {};
  if (const auto loss = NumberAfter(text, ", loss = ")) out_.Add("loss", true, iteration_, *loss);
  if (const auto rate = NumberAfter(text, ", lr = ")) out_.Add("lr", false, iteration_, *rate);
  const size_t speed = text.find(" iter/s");
  if (speed != std::string::npos && iteration_ > 0) {
    if (const auto value = NumberAfter(text, " (")) out_.Add("speed", false, iteration_, *value);
  }
  if (const auto net = NumberAfter(text, "Testing net (#")) {
    test_group_ = TestGroup(*net);
  }
}

// "#0: loss = 0.2 (* 1 = 0.2 loss)"; `text` begins behind the number sign.
void LogReader::ReadOutput(const std::string& text, const std::string& group) {
  const size_t colon = text.find(": "), equals = text.find(" = ");
  if (colon == std::string::npos || equals == std::string::npos || equals < colon + 2) return;
  const std::string blob = text.substr(colon + 2, equals - colon - 2);
  const std::optional<double> value = NumberAfter(text.substr(equals), " = ");
  const bool is_loss = text.find(" (* ") != std::string::npos;
  if (text.compare(0, colon, "0") == 0) names_ = {};
  if (value.has_value()) {
    out_.Add(group + "/" + names_.Next(blob), is_loss, iteration_, *value);
  }
}

bool LogReader::ReadLine(const std::string& line) {
  constexpr char kTrain[] = "Train net output #", kTest[] = "Test net output #";
  constexpr char kWaited[] = "Waited for data: ";
  const size_t iteration = FindIteration(line), start = line.find("Solving ");
  const size_t train = line.find(kTrain), test = line.find(kTest), waited = line.find(kWaited);
  const size_t first = std::min({iteration, start, train, test, waited});
  if (first == std::string::npos) return false;
  // The time of other lines may be of the pause before a resume.
  const bool tells_time = first == iteration || first == start;
  const auto clock = tells_time ? FindClock(line, first, year_) : std::nullopt;
  if (first == start && !clock.has_value()) return false;  // perhaps not Caffe's
  if (first == start) out_.Begin();
  if (clock.has_value()) out_.SetClock(*clock);
  if (first == iteration) ReadIteration(line.substr(iteration));
  if (first == train) ReadOutput(line.substr(train + sizeof kTrain - 1), "train");
  if (first == test) ReadOutput(line.substr(test + sizeof kTest - 1), test_group_);
  if (first != waited) return true;
  const auto share = NumberAfter(line.substr(waited), kWaited);
  if (share.has_value()) out_.Add("waited", false, iteration_, *share);
  return true;
}

// The year is not in the log; the file was last written in it, or in the year after.
int YearOf(const std::string& path) {
  struct stat info = {};
  stat(path.c_str(), &info);
  std::tm time = {};
  gmtime_r(&info.st_mtime, &time);
  return time.tm_year + 1900;
}

// ---- metrics files ----

std::optional<double> ToNumber(const Json& json) {
  if (json.kind == Json::kNumber) return json.number;
  if (json.text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json.text == "inf") return std::numeric_limits<double>::infinity();
  if (json.text == "-inf") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

class MetricsReader {
 public:
  explicit MetricsReader(CurveTable* curves) : out_(curves) {}
  // Returns whether the line is an object.
  bool ReadLine(const std::string& line);

 private:
  std::optional<double> Number(const char* name) const {
    const Json* const found = object_.Find(name);
    return found == nullptr ? std::nullopt : ToNumber(*found);
  }
  void Add(const std::string& curve, bool is_loss, std::optional<double> value) {
    if (value.has_value()) out_.Add(curve, is_loss, iteration_, *value);
  }
  void ReadOutputs(const std::string& group);

  Collector out_;
  Json object_;
  double iteration_ = 0;
};

// In the order of their names: a file's lines may have them in several.
void MetricsReader::ReadOutputs(const std::string& group) {
  const Json* const outputs = object_.Find("outputs");
  if (outputs == nullptr || outputs->kind != Json::kObject) return;
  std::map<std::string, const Json*> blobs;
  for (size_t i = 0; i < outputs->names.size(); ++i) blobs[outputs->names[i]] = &outputs->values[i];
  for (const auto& [blob, json] : blobs) {
    ElementNames names;
    const auto add = [&](const Json& element) {
      Add(group + "/" + names.Next(blob), false, ToNumber(element));
    };
    if (json->kind == Json::kList) {
      std::for_each(json->values.begin(), json->values.end(), add);
    } else {
      add(*json);
    }
  }
}

bool MetricsReader::ReadLine(const std::string& line) {
  std::optional<Json> json = ParseJson(line);
  if (!json.has_value()) return false;
  object_ = std::move(*json);
  const Json* const event = object_.Find("event");
  if (event == nullptr) return false;
  const std::string& kind = event->text;
  iteration_ = Number("iteration").value_or(0);
  if (kind == "start") out_.Begin();
  if (const auto time = Number("time")) out_.SetClock(*time);
  if (kind == "train") {
    Add("loss", true, Number("loss"));
    ReadOutputs("train");
    Add("lr", false, Number("lr"));
    const auto iterations = Number("iterations"), seconds = Number("seconds");
    if (iterations.value_or(0) > 0 && seconds.value_or(0) > 0) {
      Add("speed", false, *iterations / *seconds);
    }
    if (const auto waited = Number("waited")) Add("waited", false, *waited * 100);
  }
  if (kind == "test") {
    ReadOutputs(TestGroup(Number("net").value_or(0)));
  }
  return true;
}

}  // namespace

const Curve* Run::Find(const std::string& name) const {
  for (const Curve& curve : curves) {
    if (curve.name == name) return &curve;
  }
  return nullptr;
}

Run ReadRun(const std::string& path) {
  Run run;
  run.path = path;
  CurveTable curves(&run);
  MetricsReader metrics(&curves);
  LogReader log(&curves, YearOf(path));
  LogLines lines(ReadFileBytes(path));
  bool shows_test = false, is_metrics = false;
  size_t number = 0, odd = 0;  // odd: the first line in braces that is none of a metrics file
  for (std::string line; lines.Next(&line);) {
    ++number;
    const bool in_braces = !line.empty() && line[0] == '{';
    if (in_braces && metrics.ReadLine(line)) {
      is_metrics = true;
    } else if (!log.ReadLine(line)) {
      shows_test = shows_test || line.find("Batch 0, ") != std::string::npos;
      if (in_braces && odd == 0) odd = number;
    }
  }
  // The last line may be cut off. A log in which every line is in braces is another program's.
  if (is_metrics && odd > 0 && odd < number) {
    Fail(InFile(path, static_cast<int>(odd)), ": this line is not from a metrics file");
  }
  if (!run.curves.empty()) return run;
  Fail(InFile(path), ": contains no training log: it has ",
       shows_test ? "the results of a test, but " : "",
       "no line like 'Iteration 100, loss = 0.5', and none of a metrics file");
}

}  // namespace crema
