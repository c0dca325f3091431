#include "crema/tensor/shape.h"

#include <limits>

#include "crema/base/error.h"
#include "crema/tensor/layout.h"

namespace crema {

namespace {
constexpr int kMaxAxes = 32;  // as in Caffe
}

Shape::Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {
  if (rank() > kMaxAxes) Fail("a shape has ", rank(), " axes; at most ", kMaxAxes, " are allowed");
  int64_t count = 1;
  for (int64_t dim : dims_) {
    if (dim < 0) Fail("the shape ", dims_.size(), "-D has an axis of ", dim, "; axes must be >= 0");
    if (dim != 0 && count > std::numeric_limits<int64_t>::max() / dim) {
      Fail("a shape's element count does not fit in 63 bits");
    }
    count *= dim;
  }
}

int64_t Shape::operator[](int axis) const {
  if (axis < 0) axis += rank();
  CREMA_CHECK(axis >= 0 && axis < rank(), "axis ", axis, " of ", ToString());
  return dims_[axis];
}

int64_t& Shape::at(int axis) {
  if (axis < 0) axis += rank();
  CREMA_CHECK(axis >= 0 && axis < rank(), "axis ", axis, " of ", ToString());
  return dims_[axis];
}

int64_t Shape::Count(int first, int last) const {
  CREMA_CHECK(0 <= first && first <= last && last <= rank(), first, "..", last, " of ", ToString());
  int64_t count = 1;
  for (int axis = first; axis < last; ++axis) count *= dims_[axis];
  return count;
}

int Shape::CanonicalAxis(int axis, const std::string& what) const {
  if (axis < -rank() || axis >= rank()) {
    Fail(what, " ", axis, " is out of range for a blob of ", rank(), " axes, shape ", ToString());
  }
  return axis < 0 ? axis + rank() : axis;
}

std::string Shape::ToString() const {
  std::string text;
  for (int64_t dim : dims_) text += std::to_string(dim) + " ";
  int64_t count = 1;
  for (int64_t dim : dims_) count *= dim;
  return text + "(" + std::to_string(count) + ")";
}

const char* ToString(Layout layout) { return layout == Layout::kPlain ? "plain" : "channels-last"; }

ChannelView ViewChannels(const Shape& shape, Layout layout, int axis) {
  const int64_t outer = shape.Count(0, axis);
  const int64_t channels = axis < shape.rank() ? shape[axis] : 1;
  const int64_t inner = axis < shape.rank() ? shape.CountFrom(axis + 1) : 1;
  constexpr int64_t kMax = std::numeric_limits<int>::max();
  if (channels > kMax || inner > kMax) {
    Fail("a blob of shape ", shape.ToString(), " is too large: an axis exceeds ", kMax);
  }
  if (layout == Layout::kPlain) {
    return {outer, static_cast<int>(channels), static_cast<int>(inner)};
  }
  CREMA_CHECK(axis == 1, "channels-last tensors have their channels on axis 1");
  return {outer * inner, static_cast<int>(channels), 1};
}

}  // namespace crema
