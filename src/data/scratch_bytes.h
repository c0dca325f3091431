// Memory that is used again and again.
#pragma once

#include <cstddef>
#include <memory>

namespace crema {

// Grows, and never shrinks. Used by one thread at a time.
class ScratchBytes {
 public:
  // Memory for at least `bytes` bytes; what was there is lost.
  char* Reserve(size_t bytes) {
    if (capacity_ < bytes) {
      memory_.reset();
      capacity_ = 0;
      memory_.reset(new char[bytes]);
      capacity_ = bytes;
    }
    return memory_.get();
  }
  // What Reserve gave last; null before.
  char* data() const { return memory_.get(); }

 private:
  std::unique_ptr<char[]> memory_;
  size_t capacity_ = 0;
};

}  // namespace crema
