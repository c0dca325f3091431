// What kind of tensor something is, without the memory for one.
#pragma once

#include <utility>

#include "crema/dtype.h"
#include "crema/layout.h"
#include "crema/shape.h"

namespace crema {

// A value type.
struct TensorType {
  Shape shape;
  DType dtype = DType::kFloat32;
  Layout layout = Layout::kPlain;  // up to two axes both layouts are the same, and called plain

  TensorType() = default;  // a scalar
  // `its_layout` is to be plain for up to two axes.
  TensorType(Shape its_shape, DType its_dtype, Layout its_layout = Layout::kPlain)
      : shape(std::move(its_shape)), dtype(its_dtype), layout(its_layout) {}

  // Whether tensors of both could lie in the same bytes.
  bool operator==(const TensorType& other) const {
    return shape == other.shape && dtype == other.dtype && layout == other.layout;
  }
  bool operator!=(const TensorType& other) const { return !(*this == other); }  // see ==
};

}  // namespace crema
