// The backward half of a ReLU, if another layer does it.
#pragma once

#include "crema/blob.h"
#include "crema/dev/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {

// Multiplies the blob's gradient by `negative_slope` where its value is not above 0.
template <class T>
void ReluOwnGradient(const Context& ctx, const Blob& blob, float negative_slope) {
  const T slope = negative_slope;
  const T* y = blob.data<T>();
  T* dy = blob.mutable_diff<T>();
  ForEach(ctx, blob.count(), [=] HD(int64_t i) { dy[i] = y[i] > 0 ? dy[i] : dy[i] * slope; });
}

}  // namespace CREMA_TARGET
}  // namespace crema
