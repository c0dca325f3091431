// A block of numbers on a device with a shape, a type and a layout.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "crema/base/error.h"
#include "crema/device/device.h"
#include "crema/tensor/dtype.h"
#include "crema/tensor/layout.h"
#include "crema/tensor/shape.h"

namespace crema {

// Device memory that frees itself; keeps its device alive. Not copyable; shared by pointer.
class Buffer {
 public:
  Buffer(std::shared_ptr<Device> device, size_t bytes);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* memory() const { return memory_; }
  size_t bytes() const { return bytes_; }
  Device& device() const { return *device_; }

  // Grows with every announced change of what the memory holds: whoever keeps something made from
  // it (weights in another order) makes it anew when the number has changed.
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }
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
  Tensor() = default;
  // Fresh memory, its content unspecified.
  Tensor(const std::shared_ptr<Device>& device, DType dtype, Shape shape,
         Layout layout = Layout::kPlain);
  // A view of `buffer` from byte `offset` on. Throws Error if the buffer ends before it.
  Tensor(std::shared_ptr<Buffer> buffer, size_t offset, DType dtype, Shape shape,
         Layout layout = Layout::kPlain);

  bool empty() const { return buffer_ == nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  Layout layout() const { return layout_; }
  int64_t count() const { return shape_.count(); }
  size_t bytes() const { return static_cast<size_t>(count()) * SizeOf(dtype_); }
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }
  Device& device() const { return buffer_->device(); }

  // Device addresses: only kernels and Device's copies may follow them. mutable_data announces a
  // change of the buffer, so ask for it again before each round of writing; raw does not.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(Address(DTypeOf<T>::value));
  }
  template <class T>
  T* mutable_data() const {
    T* address = static_cast<T*>(Address(DTypeOf<T>::value));
    buffer_->AnnounceChange();
    return address;
  }
  void* raw() const { return Address(dtype_); }

  // The same memory under another shape. Throws Error if its count differs.
  Tensor Reshaped(Shape shape) const;

  // Host copies in Caffe's order (N, C, H, W), whatever the layout; values are converted from and
  // to the tensor's type. They wait for the device, so they have no place in Forward or Backward.
  // FromHost throws Error if there are not as many values as the tensor has.
  template <class T>
  std::vector<T> ToHost() const;
  template <class T>
  void FromHost(const std::vector<T>& values) const;

 private:
  void* Address(DType expected) const;

  std::shared_ptr<Buffer> buffer_;
  size_t offset_ = 0;
  DType dtype_ = DType::kFloat32;
  Shape shape_;
  Layout layout_ = Layout::kPlain;
};

}  // namespace crema
