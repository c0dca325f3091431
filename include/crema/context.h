// What an operation needs to know beside its arguments. There are no globals: two nets on two
// devices in one process each have their own Context.
#pragma once

#include <cstdint>
#include <memory>

#include "crema/device.h"

namespace crema {

// One of several trainings, in processes or threads of their own, that together train one net with
// a part of each batch each; see crema/gradient_combiner.h.
struct Rank {
  int index = 0;  // from 0 to count - 1
  int count = 1;
};

// A Context belongs to one net and is used by one thread at a time.
class Context {
 public:
  // `seed` is the root of all random numbers of the net. Throws Error if there is no such rank.
  explicit Context(std::shared_ptr<Device> device, uint64_t seed = 0, Rank rank = {});
  ~Context();
  Context(const Context&) = delete;             // its memory has one owner
  Context& operator=(const Context&) = delete;  // likewise

  // Where all of the net's memory and work is; lives at least as long as the context.
  Device& device() const { return *device_; }
  // The same for who keeps it alive; never null.
  const std::shared_ptr<Device>& shared_device() const { return device_; }
  DeviceKind kind() const { return device_->kind(); }  // of the device

  // The root of the random numbers that all ranks have in common: the order of records, what is
  // done to the record of a number.
  uint64_t seed() const { return seed_; }
  // The root of those that each rank draws for its own part of the batch: which units it drops.
  // That of rank 0 is seed().
  uint64_t seed_of_rank() const;
  // Layers that read a source leave out the records of other ranks, see Layer::position.
  const Rank& rank() const { return rank_; }

  // The number of the forward pass that runs now. It lives on the device, so that a recorded
  // sequence of kernels can be played again with other random numbers.
  void SetStep(uint64_t step);
  // The same on the host, as SetStep was told last; 0 before.
  uint64_t step() const { return host_step_; }
  // Where kernels read it. The address stays as long as the context.
  const uint64_t* device_step() const { return device_step_; }

  // Working memory on the device, aligned to 64 bytes. It is valid until the next call of
  // Scratch, so an operation asks once for all it needs. It is what was lent, where that is enough;
  // else the context's own, which grows as needed and never shrinks.
  void* Scratch(size_t bytes);
  size_t scratch_bytes() const { return scratch_bytes_; }  // of its own
  // Memory for the next operation, until another is lent; none: 0 bytes. Aligned to 64 bytes.
  void LendScratch(void* memory, size_t bytes) {
    lent_ = memory;
    lent_bytes_ = bytes;
  }

 private:
  std::shared_ptr<Device> device_;
  uint64_t seed_;
  Rank rank_;
  uint64_t host_step_ = 0;
  uint64_t* device_step_ = nullptr;
  void* scratch_ = nullptr;
  size_t scratch_bytes_ = 0;
  void* lent_ = nullptr;
  size_t lent_bytes_ = 0;
};

}  // namespace crema
