// What kind of tensor something is, without the memory for one.
#pragma once

#include <utility>

#include "crema/tensor/dtype.h"
#include "crema/tensor/layout.h"
#include "crema/tensor/shape.h"

namespace crema {

// A value type.
struct TensorType {
  Shape shape;
  DType dtype = DType::kFloat32;
  Layout layout = Layout::kPlain;  // up to two axes both layouts are the same, and called plain

  TensorType() = default;
  TensorType(Shape its_shape, DType its_dtype, Layout its_layout = Layout::kPlain)
      : shape(std::move(its_shape)), dtype(its_dtype), layout(its_layout) {}

  bool operator==(const TensorType& other) const {
    return shape == other.shape && dtype == other.dtype && layout == other.layout;
  }
  bool operator!=(const TensorType& other) const { return !(*this == other); }
};

}  // namespace crema
