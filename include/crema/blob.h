// What flows between layers: values, and the gradient of the loss with respect to them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "crema/tensor.h"

namespace crema {

// Either tensor may be empty: `diff` where nothing asks for a gradient. A Blob owns nothing of
// its own; its tensors share memory with whoever else holds them.
class Blob {
 public:
  Blob() = default;  // both tensors empty
  // `gradient` is empty or of the shape, type and layout of `values`; this is not checked.
  Blob(std::string name, Tensor values, Tensor gradient = {})
      : name_(std::move(name)), data_(std::move(values)), diff_(std::move(gradient)) {}

  // Its name in the net; of a parameter, that of its layer and its number ("conv1.0").
  const std::string& name() const { return name_; }
  // In Caffe's order, N x C x H x W for images, whatever the layout. This and what follows is the
  // same for the values and the gradient.
  const Shape& shape() const { return data_.shape(); }
  int64_t count() const { return data_.count(); }      // elements
  DType dtype() const { return data_.dtype(); }        // floating-point if there is a gradient
  Layout layout() const { return data_.layout(); }     // the order in memory
  bool has_diff() const { return !diff_.empty(); }     // whether there is memory for a gradient
  const Tensor& data_tensor() const { return data_; }  // the values
  // The gradient; empty if there is none.
  const Tensor& diff_tensor() const { return diff_; }

  // The address of the values on the device, see Tensor::data. Throws Error if they are not of type
  // T, as those that follow do.
  template <class T>
  const T* data() const {
    return data_.data<T>();
  }
  // The same for who writes them; ask for it before each round of writing.
  template <class T>
  T* mutable_data() const {
    return data_.mutable_data<T>();
  }
  // The address of the gradient on the device. Throws Error if there is none.
  template <class T>
  const T* diff() const {
    return diff_.data<T>();
  }
  // The same for who writes it.
  template <class T>
  T* mutable_diff() const {
    return diff_.mutable_data<T>();
  }

 private:
  std::string name_;
  Tensor data_;
  Tensor diff_;
};

// The bottoms, tops or parameters of a layer, in its order. None is null; whoever gives the list
// keeps the blobs alive.
using BlobList = std::vector<Blob*>;

}  // namespace crema
