// The base of the layers whose batches are made ahead, by threads: an image or the like and, if
// there is a second top, a label for each record.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "crema/dev/host_tasks.h"
#include "data/prefetcher.h"
#include "layers/shared/data/record_layer.h"
#include "layers/shared/data/upload.h"

namespace crema {
inline namespace CREMA_TARGET {

// Of the batches of all ranks those of one. It reads the records of the others, too, but makes
// nothing of them.
class BatchesOfRank : public BatchMaker {
 public:
  BatchesOfRank(std::unique_ptr<BatchMaker> of_all, Rank rank)
      : of_all_(std::move(of_all)), rank_(rank) {}

  void Read(std::vector<Record>* records) override {
    for (int r = 0; r < rank_.count; ++r) of_all_->Read(r == rank_.index ? records : &others_);
  }
  void Make(const std::vector<Record>& records, int worker, Batch* batch) override {
    of_all_->Make(records, worker, batch);
  }

 private:
  std::unique_ptr<BatchMaker> of_all_;
  Rank rank_;
  std::vector<Record> others_;
};

class PrefetchingLayer : public RecordLayer {
 public:
  using RecordLayer::RecordLayer;

  std::optional<double> waited_seconds() const override {
    return prefetcher_ == nullptr ? 0 : prefetcher_->waited_seconds();
  }

 protected:
  static constexpr int kDepth = 4;  // batches that wait at most, if no option says it

  // How batches are made.
  struct Batches {
    std::unique_ptr<BatchMaker> maker;
    int depth = kDepth;
    int workers = 1;  // threads that make them
  };

  // What makes the batches of all ranks after `position` records have been given out. No other one
  // lives then.
  virtual Batches MakeBatches(uint64_t position) = 0;

  void GoTo(uint64_t position) override {
    prefetcher_.reset();  // its threads may hold what the next ones need
    Batches batches = MakeBatches(position);
    if (rank().count > 1) {
      batches.maker = std::make_unique<BatchesOfRank>(std::move(batches.maker), rank());
    }
    prefetcher_ =
        std::make_unique<Prefetcher>(std::move(batches.maker), batches.depth, batches.workers);
  }

  void FillTops(Context& ctx, const BlobList& top) override {
    if (prefetcher_ == nullptr) GoTo(*position());  // which has thrown before
    prefetcher_->Take([&](const Batch& batch) {
      Upload(ctx, batch.data, *top[0]);
      if (top.size() > 1) Upload(ctx, batch.labels, *top[1]);
    });
  }

  // Threads to decode with: `on_cpu` on the CPU, whose cores the net itself wants; else half of the
  // cores, but at most `most`.
  static int DecodingThreads(DeviceKind kind, int on_cpu, int most) {
    return kind == DeviceKind::kCuda ? std::clamp(HostProcessors() / 2, 1, most) : on_cpu;
  }

 private:
  std::unique_ptr<Prefetcher> prefetcher_;
};

}  // namespace CREMA_TARGET
}  // namespace crema
