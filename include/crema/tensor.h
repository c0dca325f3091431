// A block of numbers on a device with a shape, a type and a layout.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "crema/device.h"
#include "crema/dtype.h"
#include "crema/error.h"
#include "crema/layout.h"
#include "crema/shape.h"

namespace crema {

// Device memory that frees itself; keeps its device alive. Not copyable; shared by pointer.
class Buffer {
 public:
  // The content is unspecified. Throws Error if `device` is null or has too little memory.
  Buffer(std::shared_ptr<Device> device, size_t bytes);
  // On a GPU it waits for the work that was given so far, which may still use the memory.
  ~Buffer();
  // Only one object may free the memory.
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;  // likewise

  // The address on the device, aligned to 64 bytes. The host must not follow it, except on the CPU.
  void* memory() const { return memory_; }
  size_t bytes() const { return bytes_; }      // as asked for
  Device& device() const { return *device_; }  // lives at least as long as the buffer

  // Grows with every announced change of what the memory holds: whoever keeps something made from
  // it (weights in another order) makes it anew when the number has changed.
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  // To be called by whoever writes to the memory, for each round of writing. From any thread.
  void AnnounceChange() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::shared_ptr<Device> device_;
  size_t bytes_;
  void* memory_;
  std::atomic<uint64_t> version_{0};
};

// Copies of a Tensor share their memory. An empty Tensor has no memory; reading it throws Error, as
// reading a tensor as another type does.
class Tensor {
 public:
  Tensor() = default;  // empty: no memory, and the shape of a scalar
  // Fresh memory, its content unspecified. Throws Error if there is not enough.
  Tensor(const std::shared_ptr<Device>& device, DType dtype, Shape shape,
         Layout layout = Layout::kPlain);
  // A view of `buffer` from byte `offset` on. Throws Error if the buffer ends before it.
  Tensor(std::shared_ptr<Buffer> buffer, size_t offset, DType dtype, Shape shape,
         Layout layout = Layout::kPlain);

  // Whether it has no memory. A tensor without elements is not empty: it has 0 bytes of a buffer.
  bool empty() const { return buffer_ == nullptr; }
  const Shape& shape() const { return shape_; }     // in Caffe's order, whatever the layout
  DType dtype() const { return dtype_; }            // float32 if the tensor is empty
  Layout layout() const { return layout_; }         // the order in memory
  int64_t count() const { return shape_.count(); }  // elements; 1 if the tensor is empty
  // What the elements take, without what else the buffer holds.
  size_t bytes() const { return static_cast<size_t>(count()) * SizeOf(dtype_); }
  // The memory that it is a view of; null if the tensor is empty.
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }
  // Where the memory is. Not to be called if the tensor is empty.
  Device& device() const { return buffer_->device(); }

  // The address of the first element on the device: only kernels and Device's copies may follow it.
  // It is valid as long as the buffer.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(Address(DTypeOf<T>::value));
  }
  // The same for who writes. It announces a change of the buffer, so ask for it again before each
  // round of writing.
  template <class T>
  T* mutable_data() const {
    T* address = static_cast<T*>(Address(DTypeOf<T>::value));
    buffer_->AnnounceChange();
    return address;
  }
  // The same whatever the type is. Whoever writes there calls Buffer::AnnounceChange.
  void* raw() const { return Address(dtype_); }

  // The same memory under another shape. Throws Error if its count differs.
  Tensor Reshaped(Shape shape) const;

  // A copy on the host in Caffe's order (N, C, H, W), whatever the layout, its values converted to
  // T: float, double or int32_t. Waits for the device, so it has no place in Forward or Backward.
  template <class T>
  std::vector<T> ToHost() const;
  // Writes values that are in that order, converted to the tensor's type, and announces the change.
  // Throws Error if there are not as many as the tensor has. It has no place in Forward or Backward
  // either.
  template <class T>
  void FromHost(const std::vector<T>& values) const;

 private:
  void* Address(DType expected) const;  // throws Error if the type is not `expected`

  std::shared_ptr<Buffer> buffer_;
  size_t offset_ = 0;
  DType dtype_ = DType::kFloat32;
  Shape shape_;
  Layout layout_ = Layout::kPlain;
};

}  // namespace crema
