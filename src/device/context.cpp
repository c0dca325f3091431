#include "crema/context.h"

#include "crema/error.h"

namespace crema {

Context::Context(std::shared_ptr<Device> device, uint64_t seed, Rank rank)
    : device_(std::move(device)), seed_(seed), rank_(rank) {
  if (device_ == nullptr) Fail("a context was created without a device; open one with OpenDevice");
  if (rank.index < 0 || rank.index >= rank.count) {
    Fail("there is no rank ", rank.index, " of ", rank.count, "; ranks are counted from 0");
  }
  device_step_ = static_cast<uint64_t*>(device_->Allocate(sizeof(uint64_t)));
  SetStep(0);
}

Context::~Context() {
  device_->Free(device_step_);
  if (scratch_ != nullptr) device_->Free(scratch_);
}

uint64_t Context::seed_of_rank() const {
  constexpr uint64_t kApart = 0x9E3779B97F4A7C15ull;  // odd: all ranks differ
  return seed_ + kApart * static_cast<uint64_t>(rank_.index);
}

void Context::SetStep(uint64_t step) {
  host_step_ = step;
  device_->CopyIn(device_step_, &step, sizeof(step));
}

void* Context::Scratch(size_t bytes) {
  if (bytes <= lent_bytes_) return lent_;
  if (bytes > scratch_bytes_) {
    device_->Synchronize();
    if (scratch_ != nullptr) device_->Free(scratch_);
    scratch_ = nullptr;
    scratch_bytes_ = 0;
    scratch_ = device_->Allocate(bytes);
    scratch_bytes_ = bytes;
  }
  return scratch_;
}

}  // namespace crema
