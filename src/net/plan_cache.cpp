#include "net/plan_cache.h"

#include <algorithm>
#include <utility>

#include "crema/dev/host_tasks.h"

namespace crema {

PlanCache::Entry* PlanCache::Find(size_t layer, const PlanInput& input, int threads) {
  if (layer >= layers_.size()) return nullptr;
  Entries& entries = layers_[layer];
  const auto it = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
    return entry.threads == threads && entry.input == input;
  });
  if (it == entries.end()) return nullptr;
  it->used = ++uses_;
  entries.splice(entries.begin(), entries, it);
  return &entries.front();
}

void PlanCache::Keep(size_t layer, const LayerNode& node) {
  if (node.planned_threads == 0) return;  // the layer is between two plans
  if (Find(layer, node.planned, node.planned_threads) != nullptr) return;
  SavedPlan saved = node.layer->SavePlan();
  if (saved.restore == nullptr || saved.bytes > most_bytes_ || most_plans_ == 0) return;
  if (layer >= layers_.size()) layers_.resize(layer + 1);
  Entries& entries = layers_[layer];
  if (entries.size() == most_plans_) ForgetLast(&entries);
  while (bytes_ + saved.bytes > most_bytes_) ForgetOldest();
  bytes_ += saved.bytes;
  entries.push_front({node.planned, node.planned_threads, node.plan, std::move(saved), ++uses_});
}

bool PlanCache::Restore(size_t layer, const PlanInput& input, LayerNode* node) {
  const int threads = HostThreads();
  const Entry* const entry = Find(layer, input, threads);
  if (entry == nullptr) return false;
  entry->saved.restore();
  node->plan = entry->plan;
  node->planned = input;
  node->planned_threads = threads;
  node->traits = node->layer->traits();
  return true;
}

size_t PlanCache::plans() const {
  size_t plans = 0;
  for (const Entries& entries : layers_) plans += entries.size();
  return plans;
}

void PlanCache::ForgetLast(Entries* entries) {
  bytes_ -= entries->back().saved.bytes;
  entries->pop_back();
}

// Only if there is a plan.
void PlanCache::ForgetOldest() {
  Entries* oldest = nullptr;
  for (Entries& entries : layers_) {
    const bool older =
        !entries.empty() && (oldest == nullptr || entries.back().used < oldest->back().used);
    if (older) oldest = &entries;
  }
  ForgetLast(oldest);
}

}  // namespace crema
