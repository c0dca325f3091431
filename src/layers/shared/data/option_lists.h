// Options that are given once for all tops or once for each, and shapes among options.
#pragma once

#include <vector>

#include "crema.pb.h"
#include "crema/shape.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// Whether a list of `size` entries has one for all of `tops` tops, or one for each.
inline bool FitsTops(int size, int tops) { return size == 1 || size == tops; }

// The entry for top `top` in such a list, a repeated field.
template <class List>
const auto& EntryFor(const List& list, int top) {
  return list.Get(list.size() == 1 ? 0 : top);
}

// Throws Error if the shape has negative extents or too many elements.
inline Shape ToShape(const proto::BlobShape& shape) {
  return Shape(std::vector<int64_t>(shape.dim().begin(), shape.dim().end()));
}

}  // namespace CREMA_TARGET
}  // namespace crema
