// How the elements of a tensor are ordered in memory, and the one view of it that channel-wise
// kernels need.
#pragma once

#include <cstdint>

#include "crema/shape.h"

namespace crema {

// Shapes are always said in Caffe's order. kPlain stores them so (N x C x H x W); kChannelsLast
// stores axis 1 innermost (N x H x W x C).
enum class Layout { kPlain, kChannelsLast };

const char* ToString(Layout layout);  // "plain", "channels-last"

// A tensor seen as outer x channels x inner in memory order: element (o, c, i) is at
// (o * channels + c) * inner + i. Plain: (N, C, H*W). Channels-last: (N*H*W, C, 1).
struct ChannelView {
  int64_t outer;
  int channels;
  int inner;
};

// `axis` is the channel axis; it must be 1 for a channels-last tensor. Throws Error where
// channels or inner would not fit in an int.
ChannelView ViewChannels(const Shape& shape, Layout layout, int axis = 1);

}  // namespace crema
