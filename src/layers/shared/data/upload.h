// Host memory to a blob.
#pragma once

#include <vector>

#include "crema/blob.h"
#include "crema/context.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

inline void Upload(Context& ctx, const std::vector<float>& values, const Blob& top) {
  CREMA_CHECK(static_cast<int64_t>(values.size()) == top.count(), values.size(), " values for ",
              top.shape().ToString());
  if (top.dtype() == DType::kFloat32) {
    ctx.device().CopyIn(top.mutable_data<float>(), values.data(), values.size() * sizeof(float));
  } else {
    const std::vector<double> wide(values.begin(), values.end());
    ctx.device().CopyIn(top.mutable_data<double>(), wide.data(), wide.size() * sizeof(double));
  }
}

}  // namespace CREMA_TARGET
}  // namespace crema
