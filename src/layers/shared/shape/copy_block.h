// Copies of parts of tensors: what Concat, Slice, Crop and SPP are made of.
#pragma once

#include "crema/blob.h"
#include "crema/dev/for_each.h"
#include "crema/layout.h"

namespace crema {
inline namespace CREMA_TARGET {

// Copies rows x cols elements between arrays whose rows begin a stride apart.
template <class T>
void CopyBlock(const Context& ctx, int64_t rows, int cols, const T* from, int64_t from_stride,
               T* to, int64_t to_stride) {
  ForEach(ctx, rows, cols,
          [=] HD(int64_t r, int c) { to[r * to_stride + c] = from[r * from_stride + c]; });
}

// How many values of a blob belong to one index of the axes before `axis`.
inline int64_t RowLength(const Blob& blob, int axis) {
  const ChannelView view = ViewChannels(blob.shape(), blob.layout(), axis);
  return static_cast<int64_t>(view.channels) * view.inner;
}

}  // namespace CREMA_TARGET
}  // namespace crema
