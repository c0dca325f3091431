#include "net/run/memory_plans.h"

#include <algorithm>
#include <utility>

namespace crema {
namespace {

template <class T>
size_t BytesOfList(const std::vector<T>& list) {
  return list.size() * sizeof(T);
}

size_t BytesOfLists(const std::vector<std::vector<int>>& lists) {
  size_t bytes = BytesOfList(lists);
  for (const std::vector<int>& list : lists) bytes += BytesOfList(list);
  return bytes;
}

// Of the plan in the host's memory.
size_t BytesOfPlan(const MemoryPlan& plan) {
  size_t bytes = sizeof(plan) + BytesOfList(plan.data) + BytesOfList(plan.diff) +
                 BytesOfList(plan.forward_scratch) + BytesOfList(plan.backward_scratch) +
                 BytesOfList(plan.recompute_scratch) + BytesOfLists(plan.recomputed) +
                 BytesOfLists(plan.unsent) + BytesOfList(plan.pieces);
  for (const LaneMemory& lane : plan.lanes) bytes += sizeof(lane) + BytesOfList(lane.pieces);
  return bytes;
}

}  // namespace

MemoryPlans::Key MemoryPlans::KeyOf(const Graph& graph) {
  Key key;
  for (const BlobNode& blob : graph.blobs) key.shapes.push_back(blob.shape);
  for (const Slices& each : graph.slices) {
    key.slices.push_back(
        {each.first, each.last, static_cast<size_t>(each.count), static_cast<size_t>(each.lanes)});
  }
  return key;
}

MemoryPlan MemoryPlans::For(const Graph& graph) {
  Key key = KeyOf(graph);
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& entry) { return entry.key == key; });
  if (it != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, it);
    return entries_.front().plan;
  }
  MemoryPlan plan = PlanMemory(graph);
  ++made_;
  Keep(std::move(key), plan);
  return plan;
}

void MemoryPlans::Keep(Key key, const MemoryPlan& plan) {
  // A shape takes its vector and about as much for the extents in it.
  const size_t bytes = BytesOfPlan(plan) + 2 * BytesOfList(key.shapes);
  if (most_plans_ == 0 || bytes > most_bytes_) return;
  while (entries_.size() == most_plans_ || bytes_ + bytes > most_bytes_) {
    bytes_ -= entries_.back().bytes;
    entries_.pop_back();
  }
  bytes_ += bytes;
  entries_.push_front({std::move(key), plan, bytes});
}

}  // namespace crema
