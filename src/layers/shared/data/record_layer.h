// The base of the layers that give out the records of a source, batch after batch.
#pragma once

#include <cstdint>
#include <optional>

#include "crema/dev/layer.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// Counts the records that were given out, and goes on from any count. A layer says how it opens its
// source, how it goes to a record, and how it fills its tops with a batch. All functions are called
// by the thread that runs the net.
//
// A position counts records from the start of the first pass over the source on, whatever the
// source's end. Several ranks share a source batch by batch (Layer::position): a layer goes on to
// the next batch of every rank, and gives out that of its own.
class RecordLayer : public Layer {
 public:
  using Layer::Layer;

  void Start(Context& ctx) final {
    rank_ = ctx.rank();
    Open(ctx);
    started_ = true;
    GoTo(position_);
  }

  void Forward(Context& ctx, const BlobList&, const BlobList& top) final {
    FillTops(ctx, top);
    position_ += static_cast<uint64_t>(top[0]->shape()[0] * rank_.count);
  }

  std::optional<uint64_t> position() const final { return position_; }
  bool shares_source() const final { return true; }

  void Seek(uint64_t records) final {
    position_ = records;
    if (started_) GoTo(position_);
  }

 protected:
  // Called once, after Plan and before the first GoTo, when seed and device are known.
  virtual void Open(Context&) {}
  // The one whose batches it gives out, from Start on.
  const Rank& rank() const { return rank_; }
  // The next batch of rank 0 begins with the record after `position` others. Called before the
  // first batch, and then at any time between two of them.
  virtual void GoTo(uint64_t position) = 0;
  // Fills the tops with the next batch of rank(), and goes behind those of all ranks; axis 0 of top
  // 0 is the number of its records. If it throws, the position stays.
  virtual void FillTops(Context& ctx, const BlobList& top) = 0;

 private:
  Rank rank_;
  bool started_ = false;
  uint64_t position_ = 0;
};

}  // namespace CREMA_TARGET
}  // namespace crema
