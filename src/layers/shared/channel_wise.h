// Element-wise work that depends on an element's channel, in either layout.
#pragma once

#include "crema/dev/for_each.h"
#include "crema/layout.h"

namespace crema {
inline namespace CREMA_TARGET {

// Calls f(int64_t index, int channel) for every element, index counting in memory order. The rules
// for f are those of ForEach.
template <class F>
void ForEachInChannels(const Context& ctx, const ChannelView& view, F f) {
  const int channels = view.channels;
  const int inner = view.inner;
  if (inner == 1) {
    ForEach(ctx, view.outer, channels, [=] HD(int64_t r, int c) { f(r * channels + c, c); });
  } else {
    ForEach(ctx, view.outer * channels, inner,
            [=] HD(int64_t r, int c) { f(r * inner + c, static_cast<int>(r % channels)); });
  }
}

}  // namespace CREMA_TARGET
}  // namespace crema
