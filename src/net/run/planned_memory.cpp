// From places in a plan to views of memory.
#include "net/run/planned_memory.h"

#include <algorithm>

namespace crema {

PlannedMemory::Next PlannedMemory::Prepare(const std::shared_ptr<Device>& device) {
  Next next;
  next.plan = plans_.For(graph_);
  const size_t bytes = next.plan.memory.kept;
  const bool fits = kept_ != nullptr && kept_->bytes() >= bytes;
  next.kept = fits ? kept_ : std::make_shared<Buffer>(device, bytes);
  return next;
}

void PlannedMemory::Adopt(Next next) {
  plan_ = std::move(next.plan);
  kept_ = std::move(next.kept);
  kept_->device().Zero(kept_->memory(), kept_->bytes());
}

Tensor PlannedMemory::View(const Place& place, const BlobNode& blob) const {
  const bool is_there = place.offset >= 0 && (place.kept || arena_ != nullptr);
  if (!is_there) return {};
  return Tensor(place.kept ? kept_ : arena_, static_cast<size_t>(place.offset), blob.dtype,
                blob.shape, blob.layout);
}

Blob PlannedMemory::WholeBlob(int blob) const {
  const BlobNode& node = graph_.blobs[blob];
  if (node.is_part) {
    return LaneBlob(blob, static_cast<size_t>(SlicesOf(graph_, node.producer)), 0);
  }
  return Blob(node.name, View(plan_.data[blob], node), View(plan_.diff[blob], node));
}

Blob PlannedMemory::LaneBlob(int blob, size_t slices, size_t lane) const {
  const BlobNode& node = graph_.blobs[blob];
  Place place = plan_.data[blob];
  if (place.offset >= 0) place.offset += LaneBase(slices, lane);
  return Blob(node.name, View(place, node));
}

Blob PlannedMemory::PartOfBlob(int blob, size_t slices, int part) const {
  BlobNode node = graph_.blobs[blob];
  node.shape = PartShape(node.shape, graph_.slices[slices].count);
  Place place = plan_.data[blob];
  if (place.offset >= 0) place.offset += part * BytesOf(node);
  return Blob(node.name, View(place, node));
}

int64_t PlannedMemory::LaneBase(size_t slices, size_t lane) const {
  const LaneMemory& memory = plan_.lanes[slices];
  return memory.place.offset + static_cast<int64_t>(lane) * memory.bytes;
}

void* PlannedMemory::AddressInArena(const Place& place, int64_t base) const {
  return static_cast<char*>(arena_->memory()) + base + std::max<int64_t>(place.offset, 0);
}

}  // namespace crema
