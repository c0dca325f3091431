// What flows between layers: values, and the gradient of the loss with respect to them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "crema/tensor/tensor.h"

namespace crema {

// Either tensor may be empty: `diff` where nothing asks for a gradient. A Blob owns nothing of
// its own; its tensors share memory with whoever else holds them.
class Blob {
 public:
  Blob() = default;
  Blob(std::string name, Tensor values, Tensor gradient = {})
      : name_(std::move(name)), data_(std::move(values)), diff_(std::move(gradient)) {}

  const std::string& name() const { return name_; }
  const Shape& shape() const { return data_.shape(); }
  int64_t count() const { return data_.count(); }
  DType dtype() const { return data_.dtype(); }
  Layout layout() const { return data_.layout(); }
  bool has_diff() const { return !diff_.empty(); }

  const Tensor& data_tensor() const { return data_; }
  const Tensor& diff_tensor() const { return diff_; }

  // Device addresses.
  template <class T>
  const T* data() const {
    return data_.data<T>();
  }
  template <class T>
  T* mutable_data() const {
    return data_.mutable_data<T>();
  }
  template <class T>
  const T* diff() const {
    return diff_.data<T>();
  }
  template <class T>
  T* mutable_diff() const {
    return diff_.mutable_data<T>();
  }

 private:
  std::string name_;
  Tensor data_;
  Tensor diff_;
};

using BlobList = std::vector<Blob*>;

}  // namespace crema
