#include "train/event_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <filesystem>

#include "base/strings.h"
#include "crema/error.h"
#include "crema/net.h"
#include "events.pb.h"

namespace crema {
namespace {

constexpr int kBuckets = 64;

// A name that no other run takes. TensorBoard reads a folder's files in the order of their names,
// and knows them by "tfevents".
std::string NameFile(const std::string& folder) {
  static std::atomic<int> count{0};
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) Fail(InFile(folder), ": cannot create this folder for event files: ", error.message());
  char host[256] = "localhost";
  gethostname(host, sizeof host - 1);
  return Concat(folder, "/events.out.tfevents.", static_cast<int64_t>(UnixTime()), ".", host, ".",
                getpid(), ".", count++);
}

std::array<uint32_t, 256> MakeCrcTable() {
  constexpr uint32_t kPolynomial = 0x82F63B78;  // bits reversed
  std::array<uint32_t, 256> table;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

// So that the checksum of data that hold checksums stays good.
uint32_t Masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xA282EAD8; }

std::string LittleEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xFF);
  return text;
}

events::Event NewEvent(int64_t step) {
  events::Event event;
  event.set_wall_time(UnixTime());
  event.set_step(step);
  return event;
}

void AddScalar(const std::string& tag, double value, events::Event* event) {
  events::Summary::Value* added = event->mutable_summary()->add_value();
  added->set_tag(ToUtf8(tag));
  added->set_simple_value(static_cast<float>(value));
}

void AddOutputs(const std::string& group, const std::vector<OutputElement>& outputs,
                events::Event* event) {
  for (size_t i = 0; i < outputs.size();) {
    size_t end = i;
    while (end < outputs.size() && outputs[end].blob == outputs[i].blob) ++end;
    for (size_t k = i; k < end; ++k) {
      const std::string element = end - i > 1 ? Concat("[", k - i, "]") : "";
      AddScalar(group + "/" + outputs[k].blob + element, outputs[k].value, event);
    }
    i = end;
  }
}

void AddHistogram(const std::string& tag, const std::vector<double>& values, events::Event* event) {
  events::Histogram histogram;
  FillHistogram(values, &histogram);
  if (histogram.bucket_size() == 0) return;
  events::Summary::Value* added = event->mutable_summary()->add_value();
  added->set_tag(ToUtf8(tag));
  *added->mutable_histo() = histogram;
}

}  // namespace

uint32_t Crc32c(const std::string& bytes) {
  static const std::array<uint32_t, 256> table = MakeCrcTable();
  uint32_t crc = 0xFFFFFFFF;
  for (char c : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

std::string FrameRecord(const std::string& record) {
  const std::string length = LittleEndian(record.size(), 8);
  return length + LittleEndian(Masked(Crc32c(length)), 4) + record +
         LittleEndian(Masked(Crc32c(record)), 4);
}

void FillHistogram(const std::vector<double>& values, events::Histogram* out) {
  std::vector<double> finite;
  for (double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  if (finite.empty()) return;
  const auto [least, greatest] = std::minmax_element(finite.begin(), finite.end());
  const double min = *least, max = *greatest;
  const int buckets = min < max ? kBuckets : 1;
  std::vector<double> counts(buckets, 0);
  double sum = 0, squares = 0;
  for (double value : finite) {
    const double place = min < max ? (value - min) / (max - min) * buckets : 0;
    counts[std::min(buckets - 1, static_cast<int>(place))] += 1;
    sum += value;
    squares += value * value;
  }
  out->set_min(min);
  out->set_max(max);
  out->set_num(static_cast<double>(finite.size()));
  out->set_sum(sum);
  out->set_sum_squares(squares);
  for (int b = 0; b < buckets; ++b) {
    out->add_bucket_limit(b + 1 == buckets ? max : min + (max - min) * (b + 1) / buckets);
    out->add_bucket(counts[b]);
  }
}

EventFile::EventFile(const std::string& folder, int64_t histograms)
    : file_(NameFile(folder)), histograms_(histograms) {
  events::Event event = NewEvent(0);
  event.set_file_version("brain.Event:2");
  Write(event);
}

void EventFile::Write(const events::Event& event) {
  file_.Append(FrameRecord(event.SerializeAsString()));
}

void EventFile::OnStart(const TrainStart& start) {
  events::Event event = NewEvent(start.iteration);
  event.mutable_session_log()->set_status(events::SessionLog::START);
  Write(event);
}

void EventFile::OnDisplay(const TrainPoint& point) {
  events::Event event = NewEvent(point.iteration);
  AddScalar("loss", point.loss, &event);
  AddOutputs("train", point.outputs, &event);
  if (!point.last) {
    AddScalar("learning_rate", point.learning_rate, &event);
    if (point.iterations > 0 && point.seconds > 0) {
      AddScalar("speed/iterations_per_second", point.iterations / point.seconds, &event);
    }
    if (point.waited.has_value()) {
      AddScalar("speed/percent_waited_for_data", 100 * *point.waited, &event);
    }
  }
  Write(event);
}

void EventFile::OnTest(const TestPoint& point) {
  const std::string group = point.net == 0 ? "test" : Concat("test_", point.net);
  events::Event event = NewEvent(point.iteration);
  if (point.loss.has_value()) AddScalar(group + "_loss", *point.loss, &event);
  AddOutputs(group, point.outputs, &event);
  Write(event);
}

void EventFile::OnParameters(int64_t iteration, const Net& net, double gradient_factor) {
  events::Event event = NewEvent(iteration);
  for (size_t i = 0; i < net.graph().params.size(); ++i) {
    if (net.graph().params[i].owner >= 0) continue;  // shown with its owner
    const Blob& param = net.param(static_cast<int>(i));
    AddHistogram("weights/" + param.name(), param.data_tensor().ToHost<double>(), &event);
    if (!param.has_diff()) continue;
    std::vector<double> gradient = param.diff_tensor().ToHost<double>();
    for (double& value : gradient) value *= gradient_factor;
    AddHistogram("gradients/" + param.name(), gradient, &event);
  }
  Write(event);
}

}  // namespace crema
