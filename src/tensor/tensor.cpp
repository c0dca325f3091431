#include "crema/tensor.h"

namespace crema {

size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return 4;
    case DType::kFloat64: return 8;
    case DType::kInt32: return 4;
  }
  return 0;
}

const char* ToString(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "float32";
    case DType::kFloat64: return "float64";
    case DType::kInt32: return "int32";
  }
  return "?";
}

Buffer::Buffer(std::shared_ptr<Device> device, size_t bytes)
    : device_(std::move(device)), bytes_(bytes), memory_(nullptr) {
  if (device_ == nullptr) Fail("memory was requested without a device; open one with OpenDevice");
  memory_ = device_->Allocate(bytes);
}

Buffer::~Buffer() { device_->Free(memory_); }

namespace {

// Calls f(place in Caffe's order, place in memory) for every element.
template <class F>
void ForEachPlace(const Tensor& tensor, F f) {
  const ChannelView view = ViewChannels(tensor.shape(), Layout::kPlain);
  const auto channels = static_cast<size_t>(view.channels), inner = static_cast<size_t>(view.inner);
  for (size_t o = 0; o < static_cast<size_t>(view.outer); ++o) {
    for (size_t c = 0; c < channels; ++c) {
      for (size_t i = 0; i < inner; ++i) {
        f((o * channels + c) * inner + i, (o * inner + i) * channels + c);
      }
    }
  }
}

bool IsPermuted(const Tensor& tensor) {
  return tensor.layout() == Layout::kChannelsLast && tensor.shape().rank() > 2;
}

template <class Stored, class T>
std::vector<T> Download(const Tensor& tensor) {
  std::vector<Stored> stored(static_cast<size_t>(tensor.count()));
  tensor.device().CopyOut(stored.data(), tensor.raw(), tensor.bytes());
  if (!IsPermuted(tensor)) return std::vector<T>(stored.begin(), stored.end());
  std::vector<T> values(stored.size());
  ForEachPlace(
      tensor, [&](size_t plain, size_t memory) { values[plain] = static_cast<T>(stored[memory]); });
  return values;
}

template <class Stored, class T>
void Upload(const Tensor& tensor, const std::vector<T>& values) {
  std::vector<Stored> stored(values.begin(), values.end());
  if (IsPermuted(tensor)) {
    ForEachPlace(tensor, [&](size_t plain, size_t memory) {
      stored[memory] = static_cast<Stored>(values[plain]);
    });
  }
  tensor.device().CopyIn(tensor.raw(), stored.data(), tensor.bytes());
  tensor.buffer()->AnnounceChange();
}

}  // namespace

Tensor::Tensor(const std::shared_ptr<Device>& device, DType dtype, Shape shape, Layout layout)
    : buffer_(std::make_shared<Buffer>(device, static_cast<size_t>(shape.count()) * SizeOf(dtype))),
      dtype_(dtype),
      shape_(std::move(shape)),
      layout_(layout) {}

Tensor::Tensor(std::shared_ptr<Buffer> buffer, size_t offset, DType dtype, Shape shape,
               Layout layout)
    : buffer_(std::move(buffer)),
      offset_(offset),
      dtype_(dtype),
      shape_(std::move(shape)),
      layout_(layout) {
  const size_t room = buffer_ == nullptr ? 0 : buffer_->bytes();
  if (buffer_ != nullptr && offset_ <= room && bytes() <= room - offset_) return;
  Fail("a tensor of shape ", shape_.ToString(), " and type ", ToString(dtype_), " at byte ",
       offset_, " does not fit into a buffer of ", room, " bytes; use a larger buffer");
}

void* Tensor::Address(DType expected) const {
  if (buffer_ == nullptr) Fail("an empty tensor was read; it has no memory");
  if (expected != dtype_) {
    Fail("a tensor of type ", ToString(dtype_), " and shape ", shape_.ToString(), " was read as ",
         ToString(expected), "; read it as ", ToString(dtype_));
  }
  return static_cast<char*>(buffer_->memory()) + offset_;
}

Tensor Tensor::Reshaped(Shape shape) const {
  if (shape.count() != count()) {
    Fail("a tensor of shape ", shape_.ToString(), " cannot have the shape ", shape.ToString(),
         "; the number of elements must not change");
  }
  Tensor view = *this;
  view.shape_ = std::move(shape);
  return view;
}

template <class T>
std::vector<T> Tensor::ToHost() const {
  Address(dtype_);  // Error if there is none
  switch (dtype_) {
    case DType::kFloat32: return Download<float, T>(*this);
    case DType::kFloat64: return Download<double, T>(*this);
    case DType::kInt32: return Download<int32_t, T>(*this);
  }
  return {};
}

template <class T>
void Tensor::FromHost(const std::vector<T>& values) const {
  Address(dtype_);  // Error if there is none
  if (static_cast<int64_t>(values.size()) != count()) {
    Fail("a tensor of shape ", shape_.ToString(), " was given ", values.size(),
         " values; give it exactly ", count());
  }
  switch (dtype_) {
    case DType::kFloat32: return Upload<float>(*this, values);
    case DType::kFloat64: return Upload<double>(*this, values);
    case DType::kInt32: return Upload<int32_t>(*this, values);
  }
}

template std::vector<float> Tensor::ToHost<float>() const;
template std::vector<double> Tensor::ToHost<double>() const;
template std::vector<int32_t> Tensor::ToHost<int32_t>() const;
template void Tensor::FromHost<float>(const std::vector<float>&) const;
template void Tensor::FromHost<double>(const std::vector<double>&) const;
template void Tensor::FromHost<int32_t>(const std::vector<int32_t>&) const;

}  // namespace crema
