// A CPU on which memory runs out, and copies to the host fail, when a test wants it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>

#include "crema/device.h"
#include "crema/error.h"

namespace crema {

class LimitedDevice : public Device {
 public:
  DeviceKind kind() const override { return DeviceKind::kCpu; }
  std::string name() const override { return "limited CPU"; }

  void* Allocate(size_t bytes) override {
    if (used_ + bytes > limit_) Fail("out of memory: ", bytes, " bytes");
    void* memory = cpu_->Allocate(bytes);
    sizes_[memory] = bytes;
    used_ += bytes;
    peak_ = std::max(peak_, used_);
    return memory;
  }
  void Free(void* memory) noexcept override {
    used_ -= sizes_.at(memory);
    sizes_.erase(memory);
    cpu_->Free(memory);
  }
  void CopyIn(void* to, const void* from, size_t bytes) override { cpu_->CopyIn(to, from, bytes); }
  void CopyOut(void* to, const void* from, size_t bytes) override {
    if (copies_left_ == 0) Fail("the device does not answer");
    --copies_left_;
    cpu_->CopyOut(to, from, bytes);
  }
  void Copy(void* to, const void* from, size_t bytes) override { cpu_->Copy(to, from, bytes); }
  void Zero(void* to, size_t bytes) override { cpu_->Zero(to, bytes); }
  using Device::Synchronize;
  void Synchronize() override { cpu_->Synchronize(); }

  size_t used() const { return used_; }
  size_t peak() const { return peak_; }  // the most that was used at once
  void set_limit(size_t bytes) { limit_ = bytes; }
  void set_copies_left(uint64_t copies) { copies_left_ = copies; }

 private:
  std::shared_ptr<Device> cpu_ = OpenDevice(DeviceKind::kCpu);
  std::map<void*, size_t> sizes_;
  size_t used_ = 0, peak_ = 0, limit_ = std::numeric_limits<size_t>::max();
  uint64_t copies_left_ = std::numeric_limits<uint64_t>::max();
};

}  // namespace crema
