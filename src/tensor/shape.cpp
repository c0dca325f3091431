#include "crema/shape.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "crema/error.h"
#include "crema/layout.h"

namespace crema {

namespace {

constexpr int kMaxAxes = 32;  // as in Caffe

std::string Extents(const std::vector<int64_t>& dims) {
  std::string text;
  for (int64_t dim : dims) text += std::to_string(dim) + " ";
  return text;
}

[[noreturn]] void FailForExtent(const std::vector<int64_t>& dims, int64_t dim) {
  Fail("the shape ", Extents(dims), "has extent ", dim, "; extents must be at least 0");
}

}  // namespace

Shape::Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {
  if (rank() > kMaxAxes) Fail("a shape has ", rank(), " axes; at most ", kMaxAxes, " are allowed");
  int64_t count = 1;  // without the axes of 0, so that every range of axes can be counted
  for (int64_t dim : dims_) {
    if (dim < 0) FailForExtent(dims_, dim);
    if (dim > kMostElements / count) {
      Fail("the shape ", Extents(dims_),
           "has too many elements; the product of its nonzero extents must be at most ",
           kMostElements);
    }
    count *= std::max<int64_t>(dim, 1);
  }
}

int64_t Shape::operator[](int axis) const { return dims_[CanonicalAxis(axis, "the axis")]; }

int64_t& Shape::at(int axis) { return dims_[CanonicalAxis(axis, "the axis")]; }

int64_t Shape::Count(int first, int last) const {
  if (first < 0 || first > last || last > rank()) {
    Fail("the axes from ", first, " to before ", last, " were counted in a blob of ", rank(),
         " axes, shape ", ToString());
  }
  int64_t count = 1;
  bool fits = true;
  for (int axis = first; axis < last; ++axis) {
    if (dims_[axis] < 0) FailForExtent(dims_, dims_[axis]);  // set by at()
    fits = fits && !__builtin_mul_overflow(count, dims_[axis], &count);
  }
  if (!fits) Fail("the shape ", Extents(dims_), "has too many elements to count");
  return count;
}

int Shape::CanonicalAxis(int axis, const std::string& what) const {
  if (axis < -rank() || axis >= rank()) {
    if (rank() == 0) Fail(what, " is ", axis, "; a scalar has no axes");
    Fail(what, " is ", axis, ", but must be from ", -rank(), " to ", rank() - 1, " for the shape ",
         ToString());
  }
  return axis < 0 ? axis + rank() : axis;
}

std::string Shape::ToString() const { return Extents(dims_) + "(" + std::to_string(count()) + ")"; }

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
  if (axis != 1) Fail("a channels-last tensor has its channels on axis 1, not on axis ", axis);
  return {outer * inner, static_cast<int>(channels), 1};
}

}  // namespace crema
