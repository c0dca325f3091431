#include "data/prefetcher.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "crema/error.h"

namespace crema {

Prefetcher::Prefetcher(std::unique_ptr<BatchMaker> maker, int depth, int threads)
    : maker_(std::move(maker)), slots_(static_cast<size_t>(depth)) {
  CREMA_CHECK(depth >= 1 && threads >= 1, depth, " batches, ", threads, " threads");
  for (int i = 0; i < std::min(threads, depth); ++i) {
    try {
      threads_.emplace_back([this, i] { Run(i); });
    } catch (const std::system_error& error) {
      if (i > 0) break;  // fewer do as well
      Fail("cannot start a thread to prepare data: ", error.what());
    }
  }
}

Prefetcher::~Prefetcher() {
  {
    std::lock_guard<std::mutex> lock(state_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Prefetcher::Run(int worker) {
  while (Slot* slot = ReadNext()) {
    std::exception_ptr error = slot->error;
    try {
      if (!error) maker_->Make(slot->records, worker, &slot->batch);
    } catch (...) {
      error = std::current_exception();
    }
    Publish(slot, error);
  }
}

// Waits for a free slot and reads the next batch's records into it. After a failure nothing more
// is read, so that the batches before it still come, and the failure at its own place.
Prefetcher::Slot* Prefetcher::ReadNext() {
  std::lock_guard<std::mutex> reading(reading_);
  Slot& slot = slots_[next_read_ % slots_.size()];
  {
    std::unique_lock<std::mutex> lock(state_);
    changed_.wait(lock, [&] { return stop_ || failed_ || slot.state == Slot::kFree; });
    if (stop_ || failed_) return nullptr;
    slot.state = Slot::kInWork;
  }
  ++next_read_;
  try {
    maker_->Read(&slot.records);
  } catch (...) {
    slot.error = std::current_exception();
    std::lock_guard<std::mutex> lock(state_);
    failed_ = true;
  }
  return &slot;
}

void Prefetcher::Publish(Slot* slot, std::exception_ptr error) {
  {
    std::lock_guard<std::mutex> lock(state_);
    slot->error = error;
    slot->state = Slot::kReady;
    failed_ = failed_ || error;
  }
  changed_.notify_all();
}

void Prefetcher::Take(const std::function<void(const Batch&)>& use) {
  Slot& slot = slots_[next_taken_ % slots_.size()];
  {
    std::unique_lock<std::mutex> lock(state_);
    if (slot.state != Slot::kReady) {
      const auto start = std::chrono::steady_clock::now();
      changed_.wait(lock, [&] { return slot.state == Slot::kReady; });
      waited_seconds_ +=
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
  }
  if (slot.error) std::rethrow_exception(slot.error);
  use(slot.batch);
  ++next_taken_;
  {
    std::lock_guard<std::mutex> lock(state_);
    slot.state = Slot::kFree;
  }
  changed_.notify_all();
}

}  // namespace crema
