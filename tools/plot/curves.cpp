#include "plot/curves.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <sys/stat.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <map>
#include <optional>
#include <sstream>

#include "crema/base/error.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

// Puts points into curves, and keeps the clock of the training.
class Collector {
 public:
  explicit Collector(Run* run) : run_(run) {}

  // A training begins or goes on. The clock goes on where it stood.
  void Begin() {
    base_ = seconds_;
    started_.reset();
  }
  void SetClock(double time) {
    if (!started_.has_value()) started_ = time;
    seconds_ = std::max(seconds_, base_ + time - *started_);
  }
  void Add(const std::string& name, bool is_loss, double iteration, double value);

 private:
  Run* run_;
  double seconds_ = 0, base_ = 0;
  std::optional<double> started_;
};

void Collector::Add(const std::string& name, bool is_loss, double iteration, double value) {
  auto& curves = run_->curves;
  const auto found = std::find_if(curves.begin(), curves.end(),
                                  [&](const Curve& curve) { return curve.name == name; });
  Curve& curve = found == curves.end() ? *curves.insert(found, Curve{name, false, {}}) : *found;
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

// ---- logs ----

// Reads lines such as
//   I1123 13:39:22.381027  2521 solver.cpp:239] Iteration 100 (50 iter/s, 2s/100 iters), loss = 0.2
class LogReader {
 public:
  LogReader(Run* run, int year) : out_(run), year_(year) {}
  void ReadLine(const std::string& line);

 private:
  void ReadClock(const char* prefix);
  void ReadIteration(const std::string& text);
  void ReadOutput(const std::string& text, const std::string& group);

  Collector out_;
  int year_;
  double iteration_ = 0;
  std::string test_group_ = "test";
  ElementNames names_;
};

// "I1123 13:39:22.381027", or with the year, as newer versions of glog write it.
void LogReader::ReadClock(const char* prefix) {
  int date = 0, hour = 0, minute = 0;
  double second = 0;
  int digits = 0;
  if (std::sscanf(prefix + 1, "%d%n %d:%d:%lf", &date, &digits, &hour, &minute, &second) != 4) {
    return;
  }
  std::tm time = {};
  time.tm_year = (digits == 8 ? date / 10000 : year_) - 1900;
  time.tm_mon = date / 100 % 100 - 1;
  time.tm_mday = date % 100;
  out_.SetClock(static_cast<double>(timegm(&time)) + hour * 3600 + minute * 60 + second);
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
    test_group_ = *net == 0 ? "test" : Concat("test", *net);
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

void LogReader::ReadLine(const std::string& line) {
  constexpr char kTrain[] = "Train net output #", kTest[] = "Test net output #";
  const size_t bracket = line.find("] ");
  const bool logged = bracket != std::string::npos && std::strchr("IWEF", line[0]) != nullptr;
  if (!logged) return;
  const std::string text = line.substr(bracket + 2);
  const size_t train = text.find(kTrain), test = text.find(kTest);
  const bool begins = text.rfind("Solving ", 0) == 0;
  const bool iterates = text.rfind("Iteration ", 0) == 0;
  if (begins) out_.Begin();
  if (begins || iterates) ReadClock(line.c_str());  // others may be of the pause before a resume
  if (iterates) ReadIteration(text);
  if (train != std::string::npos) ReadOutput(text.substr(train + sizeof kTrain - 1), "train");
  if (test != std::string::npos) ReadOutput(text.substr(test + sizeof kTest - 1), test_group_);
  if (const auto waited = NumberAfter(text, "    Waited for data: ")) {
    out_.Add("waited", false, iteration_, *waited);
  }
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

using Json = google::protobuf::Value;

std::optional<double> ToNumber(const Json& json) {
  if (json.kind_case() == Json::kNumberValue) return json.number_value();
  if (json.string_value() == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json.string_value() == "inf") return std::numeric_limits<double>::infinity();
  if (json.string_value() == "-inf") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

class MetricsReader {
 public:
  explicit MetricsReader(Run* run) : out_(run) {}
  // Returns whether the line is an object.
  bool ReadLine(const std::string& line);

 private:
  std::optional<double> Number(const char* name) const {
    const auto found = object_.fields().find(name);
    return found == object_.fields().end() ? std::nullopt : ToNumber(found->second);
  }
  void Add(const std::string& curve, bool is_loss, std::optional<double> value) {
    if (value.has_value()) out_.Add(curve, is_loss, iteration_, *value);
  }
  void ReadOutputs(const std::string& group);

  Collector out_;
  google::protobuf::Struct object_;
  double iteration_ = 0;
};

void MetricsReader::ReadOutputs(const std::string& group) {
  const auto outputs = object_.fields().find("outputs");
  if (outputs == object_.fields().end()) return;
  // The map has no order; curves should.
  const auto& fields = outputs->second.struct_value().fields();
  for (const auto& [blob, json] : std::map<std::string, Json>(fields.begin(), fields.end())) {
    ElementNames names;
    if (json.kind_case() != Json::kListValue) {
      Add(group + "/" + names.Next(blob), false, ToNumber(json));
    }
    for (const Json& element : json.list_value().values()) {
      Add(group + "/" + names.Next(blob), false, ToNumber(element));
    }
  }
}

bool MetricsReader::ReadLine(const std::string& line) {
  object_.Clear();
  if (!google::protobuf::util::JsonStringToMessage(line, &object_).ok()) return false;
  const auto event = object_.fields().find("event");
  if (event == object_.fields().end()) return false;
  const std::string& kind = event->second.string_value();
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
    const double net = Number("net").value_or(0);
    const std::string group = net == 0 ? "test" : Concat("test", net);
    ReadOutputs(group);
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
  std::istringstream lines(ReadFileBytes(path));
  Run run;
  run.path = path;
  MetricsReader metrics(&run);
  LogReader log(&run, YearOf(path));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.empty()) continue;
    if (line[0] != '{') {
      log.ReadLine(line);
    } else if (!metrics.ReadLine(line) && !lines.eof()) {  // the last may be cut off
      Fail(path, ":", number, ": is not a line of a metrics file");
    }
  }
  if (run.curves.empty()) {
    Fail(path,
         ": shows no training: it has no line of a log such as 'Iteration 100, loss = 0.5', "
         "and none of a metrics file");
  }
  return run;
}

}  // namespace crema
