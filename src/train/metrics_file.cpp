#include "train/metrics_file.h"

#include <cmath>
#include <cstdio>
#include <vector>

#include "base/numbers.h"
#include "base/strings.h"
#include "crema/error.h"

namespace crema {
namespace {

constexpr char kBegin[] = "{\"event\":";

// One line: members are added, then it is taken.
class JsonLine {
 public:
  JsonLine(const char* event, int64_t iteration) {
    text_ = Concat(kBegin, JsonString(event), ",\"iteration\":", iteration);
    AddRaw("time", FixedText(UnixTime(), 3));
  }
  void AddRaw(const std::string& name, const std::string& json) {
    text_ += "," + JsonString(name) + ":" + json;
  }
  void Add(const std::string& name, double value) { AddRaw(name, JsonNumber(value)); }
  void AddOutputs(const std::vector<OutputElement>& outputs);
  std::string Take() { return text_ + "}\n"; }

 private:
  std::string text_;
};

// A blob of one element is a number, others are lists.
void JsonLine::AddOutputs(const std::vector<OutputElement>& outputs) {
  std::string all;
  for (size_t i = 0; i < outputs.size();) {
    std::string values;
    size_t end = i;
    for (; end < outputs.size() && outputs[end].blob == outputs[i].blob; ++end) {
      values += (end > i ? "," : "") + JsonNumber(outputs[end].value);
    }
    if (end - i > 1) values = "[" + values + "]";
    all += (i > 0 ? "," : "") + JsonString(outputs[i].blob) + ":" + values;
    i = end;
  }
  AddRaw("outputs", "{" + all + "}");
}

// Whether the end of the text comes before that of the JSON object which it begins with.
bool IsCutObject(const std::string& text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') {
      ++i;  // over what it protects
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && c == '{') {
      ++depth;
    } else if (!in_string && c == '}' && --depth == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string JsonNumber(double value) {
  if (std::isnan(value)) return "\"nan\"";
  if (std::isinf(value)) return value > 0 ? "\"inf\"" : "\"-inf\"";
  for (int digits = 6; digits < 9; ++digits) {
    const std::string text = GeneralText(value, digits);
    if (ReadsAs(text, static_cast<float>(value))) return text;
  }
  return GeneralText(value, 9);
}

std::string JsonString(const std::string& text) {
  std::string json = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i);
    const auto c = static_cast<unsigned char>(text[i]);
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
    if (length == 0 || c < 0x20 || c == 0x7f) {
      json += escaped;
    } else if (c == '"' || c == '\\') {
      json += std::string("\\") + text[i];
    } else {
      json += text.substr(i, length);
    }
    i += length == 0 ? 1 : length;
  }
  return json + "\"";
}

MetricsFile::MetricsFile(const std::string& path) : file_(path) {
  file_.ContinueLines(kBegin, "a metrics file", IsCutObject);
}

void MetricsFile::OnStart(const TrainStart& start) {
  JsonLine line("start", start.iteration);
  line.AddRaw("net", JsonString(start.net));
  line.AddRaw("lr_policy", JsonString(start.lr_policy));
  file_.Append(line.Take());
}

void MetricsFile::OnDisplay(const TrainPoint& point) {
  JsonLine line("train", point.iteration);
  line.Add("loss", point.loss);
  line.AddOutputs(point.outputs);
  if (!point.last) {
    line.Add("lr", point.learning_rate);
    line.Add("seconds", point.seconds);
    line.Add("iterations", static_cast<double>(point.iterations));
    if (point.waited.has_value()) line.Add("waited", *point.waited);
  }
  file_.Append(line.Take());
}

void MetricsFile::OnTest(const TestPoint& point) {
  JsonLine line("test", point.iteration);
  line.Add("net", point.net);
  if (point.loss.has_value()) line.Add("loss", *point.loss);
  line.AddOutputs(point.outputs);
  file_.Append(line.Take());
}

}  // namespace crema
