// Layers that do their work, or some of it, on the host: they write files, or sort and search in
// ways that no kernel of src/math does. They never touch a blob's memory; they are handed views of
// it that the host can read and write, wherever the blob lies.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "crema/dev/layer.h"

namespace crema {

// A tensor's numbers where the host can reach them, in Caffe's order: on the CPU its own memory,
// elsewhere a copy, made when it is first asked for. Belongs to one call of a layer.
class HostTensor {
 public:
  HostTensor() = default;  // empty
  // Of a plain tensor; an empty one has no numbers.
  explicit HostTensor(const Tensor& tensor) : tensor_(tensor) {}

  // As of the tensor.
  bool empty() const { return tensor_.empty(); }
  const Shape& shape() const { return tensor_.shape(); }  // in Caffe's order
  DType dtype() const { return tensor_.dtype(); }         // of what data() gives
  int64_t count() const { return tensor_.count(); }       // of its numbers

  // The numbers. Waits for the device. Throws Error where they are of another type than T, or there
  // are none. The address is valid as long as this object.
  template <class T>
  const T* data() {
    const T* const own = tensor_.data<T>();
    if (IsOnHost()) return own;
    Download();
    return reinterpret_cast<const T*>(copy_.data());
  }
  // The same for one who will write all of them: what they are before is unspecified.
  template <class T>
  T* mutable_data() {
    T* const own = tensor_.mutable_data<T>();
    if (IsOnHost()) return own;
    copy_.resize(tensor_.bytes());
    is_here_ = is_written_ = true;
    return reinterpret_cast<T*>(copy_.data());
  }
  // The numbers converted to T, a copy of them.
  template <class T>
  std::vector<T> Values() const {
    return tensor_.ToHost<T>();
  }

  // Brings what was written to where the tensor is. The layer's base does that.
  void WriteBack();

 private:
  // Whether the tensor's own memory can be read, so that no copy is needed.
  bool IsOnHost() const { return tensor_.device().kind() == DeviceKind::kCpu; }
  void Download();  // fills copy_, once

  Tensor tensor_;
  std::vector<char> copy_;
  bool is_here_ = false, is_written_ = false;
};

// A blob as the host sees it.
struct HostBlob {
  // Of a plain blob, whose tensors it shares.
  explicit HostBlob(const Blob& blob)
      : name(blob.name()), data(blob.data_tensor()), diff(blob.diff_tensor()) {}

  const Shape& shape() const { return data.shape(); }  // of both tensors

  std::string name;
  HostTensor data, diff;  // diff: empty where there is no gradient
};
using HostBlobs = std::vector<HostBlob>;

// A layer whose tops' shapes depend on values that the host looks at before each Forward, such as a
// list of what is to be kept. LayerTraits::shapes_depend_on_data is to be set.
class DataShapedLayer : public Layer {
 public:
  using Layer::Layer;
  // Waits for the device, and calls ShapesOnHost.
  std::vector<Shape> ShapesOfTops(Context& ctx, const BlobList& bottom) final;

 protected:
  // See Layer::ShapesOfTops. What it finds out for Forward it may write to a state
  // (Tensor::FromHost).
  virtual std::vector<Shape> ShapesOnHost(HostBlobs& bottom) = 0;
};

// A layer whose passes run on the host; a GPU waits meanwhile. Its blobs are plain.
class HostLayer : public DataShapedLayer {
 public:
  using DataShapedLayer::DataShapedLayer;
  // Waits for the device, calls ForwardOnHost, and brings back what that wrote.
  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) final;
  // The same with BackwardOnHost.
  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) final;

 protected:
  // See Layer::Forward: reads the bottoms' data and writes that of the tops.
  virtual void ForwardOnHost(HostBlobs& bottom, HostBlobs& top) = 0;
  // See Layer::Backward: reads the tops' diff and writes that of the bottoms that are wanted.
  // Without an override the layer has no gradient.
  virtual void BackwardOnHost(HostBlobs& top, const std::vector<bool>& propagate_down,
                              HostBlobs& bottom);
  // Only for layers that set LayerTraits::shapes_depend_on_data.
  std::vector<Shape> ShapesOnHost(HostBlobs&) override { return {}; }
};

}  // namespace crema
