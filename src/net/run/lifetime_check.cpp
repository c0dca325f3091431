// NaNs for memory whose life has ended.
#include "net/run/lifetime_check.h"

#include <vector>

namespace crema {
namespace {

// Bytes that make a NaN of any floating-point type.
void FillWithNan(const Buffer& buffer, int64_t offset, int64_t bytes) {
  if (bytes == 0) return;
  const std::vector<unsigned char> nan(static_cast<size_t>(bytes), 0xFF);
  buffer.device().CopyIn(static_cast<char*>(buffer.memory()) + offset, nan.data(), nan.size());
}

// Ends the lives that end with this step, of pieces whose offsets count from byte `base` on.
void EndLives(const std::vector<MemoryPiece>& pieces, int step, int64_t base,
              const Buffer& buffer) {
  for (const MemoryPiece& piece : pieces) {
    if (!piece.life.EndsWith(step) && !piece.recomputed.EndsWith(step)) continue;
    FillWithNan(buffer, base + piece.offset, piece.bytes);
  }
}

}  // namespace

void LifetimeCheck::BeginPass() const {
  if (!is_on_) return;
  const Buffer& arena = *memory_.arena();
  FillWithNan(arena, 0, static_cast<int64_t>(arena.bytes()));
}

void LifetimeCheck::EndStep(int step) const {
  if (is_on_) EndLives(memory_.plan().pieces, step, 0, *memory_.arena());
}

void LifetimeCheck::EndLaneStep(size_t slices, size_t lane, int step) const {
  if (!is_on_) return;
  EndLives(memory_.plan().lanes[slices].pieces, step, memory_.LaneBase(slices, lane),
           *memory_.arena());
}

}  // namespace crema
