// The extent of a tensor along each axis, outermost first; images are N x C x H x W.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace crema {

// A value type. Zero axes is a scalar (count 1); an axis may be 0 (an empty batch).
class Shape {
 public:
  Shape() = default;  // a scalar
  // Shape{64, 3, 224, 224}; throws as the next one does.
  Shape(std::initializer_list<int64_t> dims) : Shape(std::vector<int64_t>(dims)) {}
  // Throws Error if an axis is negative, there are more than 32 axes, or the product of the axes
  // that are not 0 is above 2^48.
  explicit Shape(std::vector<int64_t> dims);

  int rank() const { return static_cast<int>(dims_.size()); }  // how many axes; at most 32
  // `axis` may be negative: -1 is the last. Throws Error if it is out of range.
  int64_t operator[](int axis) const;
  // The same, to change it. Nobody checks what is written, so make a new Shape of dims() before
  // memory depends on it.
  int64_t& at(int axis);
  const std::vector<int64_t>& dims() const { return dims_; }  // one entry an axis, outermost first

  // How many elements there are; 1 for a scalar.
  int64_t count() const { return Count(0, rank()); }
  // The product of the axes first <= axis < last. Throws Error if there are no such axes, or if it
  // does not fit in 63 bits.
  int64_t Count(int first, int last) const;
  // The product of the axes from `first` to the last; 1 if `first` is rank().
  int64_t CountFrom(int first) const { return Count(first, rank()); }

  // Turns a possibly negative axis into 0..rank-1; throws Error where it is out of range. `what`
  // begins the sentence, for example "layer 'fc' (InnerProduct): axis".
  int CanonicalAxis(int axis, const std::string& what) const;

  // Axis by axis: 1 x 10 is not 10.
  bool operator==(const Shape& other) const { return dims_ == other.dims_; }
  bool operator!=(const Shape& other) const { return dims_ != other.dims_; }  // see ==

  // "64 1 28 28 (50176)", as Caffe logs it; a scalar is "(1)".
  std::string ToString() const;

 private:
  std::vector<int64_t> dims_;
};

}  // namespace crema
