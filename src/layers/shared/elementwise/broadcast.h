// What Scale and Bias share: an operand that covers the axes of x from `axis` on and is repeated
// over the others.
#pragma once

#include <string>

#include "base/ranges.h"
#include "crema/dev/reduce.h"
#include "crema/error.h"
#include "crema/layout.h"
#include "crema/shape.h"

namespace crema {
inline namespace CREMA_TARGET {

// The shape of a learned operand: num_axes axes of x from `axis` on, or all if it is -1.
inline Shape LearnedOperand(const Shape& x, int axis, int num_axes, const std::string& title) {
  const int first = x.CanonicalAxis(axis, title + ": axis");
  CheckRange(title + ": num_axes", num_axes, -1, x.rank() - first,
             Concat("its bottom has shape ", x.ToString(), ", axis is ", first,
                    ", and -1 means all axes from there on"));
  const auto begin = x.dims().begin() + first;
  return Shape(std::vector<int64_t>(begin, num_axes < 0 ? x.dims().end() : begin + num_axes));
}

// Where an operand lies in x: its axes are those of x from `axis` on.
struct OperandPlace {
  int axis = 0;
  int rank = 0;
};

// Throws Error if it does not fit; `what` is its name, such as "factor".
inline OperandPlace PlaceOperand(const Shape& x, const Shape& operand, int axis, const char* what,
                                 const std::string& title) {
  // A scalar goes with any axis.
  const int first = operand.rank() == 0 ? 0 : x.CanonicalAxis(axis, title + ": axis");
  bool fits = first + operand.rank() <= x.rank();
  for (int a = 0; fits && a < operand.rank(); ++a) fits = x[first + a] == operand[a];
  if (!fits) {
    Fail(title, ": the ", what, " has shape ", operand.ToString(),
         ", which does not match its bottom ", x.ToString(), " from axis ", first, " onwards");
  }
  return {first, operand.rank()};
}

// x with the operand's elements for its channels.
inline ChannelView ViewOperand(const Shape& x, Layout layout, const OperandPlace& place) {
  if (layout == Layout::kChannelsLast) return ViewChannels(x, layout);
  const int behind = place.axis + place.rank;
  return ViewChannels(
      Shape{x.Count(0, place.axis), x.Count(place.axis, behind), x.CountFrom(behind)},
      Layout::kPlain);
}

// The sum of dy over all but the channels; added to, or written over, what is there.
template <class T>
void SumToOperand(const Context& ctx, const ChannelView& view, const T* dy, bool adds,
                  T* gradient) {
  const int channels = view.channels;
  const int inner = view.inner;
  const T* before = adds ? gradient : nullptr;
  ReduceChannels<SumOp, double>(
      ctx, view,
      [=] HD(int64_t o, int c, int i) {
        return static_cast<double>(dy[(o * channels + c) * inner + i]);
      },
      [=] HD(int c, double total) {
        const T sum = static_cast<T>(total);
        gradient[c] = before == nullptr ? sum : before[c] + sum;
      });
}

}  // namespace CREMA_TARGET
}  // namespace crema
