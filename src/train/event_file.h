// Training for TensorBoard: `crema train --tensorboard=DIR`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crema/train_observer.h"
#include "train/append_file.h"

namespace crema {

namespace events {
class Event;
class Histogram;
}  // namespace events

// Writes one event file into a folder. A resumed training writes another one into the same folder,
// and TensorBoard then shows both as one run, without what the first did after the snapshot.
class EventFile : public TrainObserver {
 public:
  // Makes the folder where there is none; throws Error where that or the file cannot be made.
  // Histograms of weights and gradients are written every `histograms` iterations; 0: never.
  EventFile(const std::string& folder, int64_t histograms);

  void OnStart(const TrainStart& start) override;
  void OnDisplay(const TrainPoint& point) override;
  void OnTest(const TestPoint& point) override;
  bool WantsParameters(int64_t iteration) const override {
    return histograms_ > 0 && iteration % histograms_ == 0;
  }
  void OnParameters(int64_t iteration, const Net& net, double gradient_factor) override;

  const std::string& path() const { return file_.path(); }

 private:
  void Write(const events::Event& event);

  AppendFile file_;
  int64_t histograms_;
};

// CRC-32C (Castagnoli), as RFC 3720 defines it.
uint32_t Crc32c(const std::string& bytes);

// A record in the frame of TensorFlow's files: its length (8 bytes, little-endian), the masked
// checksum of these (4), the record, its masked checksum (4).
std::string FrameRecord(const std::string& record);

// Up to 64 equal buckets from the least to the greatest of the finite values; without any bucket
// where there is no finite value.
void FillHistogram(const std::vector<double>& values, events::Histogram* out);

}  // namespace crema
