// Transposes of matrices: what a change between the plain order and channels-last is.
#pragma once

#include <cstdint>

#include "crema/context.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// in: `matrices` matrices of rows x columns, one after another; out: the columns x rows transpose
// of each. The two must not overlap.
template <class T>
void TransposeEach(const Context& ctx, int64_t matrices, int rows, int columns, const T* in,
                   T* out);

}  // namespace CREMA_TARGET
}  // namespace crema
