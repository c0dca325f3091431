#include "data/window_place.h"

#include <algorithm>

#include "base/rounding.h"

namespace crema {
namespace {

// One axis of a placement.
struct Span {
  int first, last;   // what is cut out
  int before, size;  // in the crop
};

// `half` is half of the window's extent, `grow` how much larger it is made.
Span PlaceSpan(int crop, int first, float half_own, float half, float grow, int extent,
               bool mirrored) {
  const float center = static_cast<float>(first) + half_own;
  const float reach = RoundedProduct(half, grow);
  Span span;
  span.first = RoundToInt(center - reach);
  span.last = RoundToInt(center + reach);
  const float scale = static_cast<float>(crop) / static_cast<float>(span.last - span.first + 1);
  const int out_before = std::max(0, -span.first);
  const int out_behind = std::max(0, span.last - extent + 1);
  span.first += out_before;
  span.last -= out_behind;
  const int inside = span.last - span.first + 1;
  span.before =
      RoundToInt(RoundedProduct(static_cast<float>(mirrored ? out_behind : out_before), scale));
  span.size =
      std::min(RoundToInt(RoundedProduct(static_cast<float>(inside), scale)), crop - span.before);
  return span;
}

float HalfOf(int first, int last) { return static_cast<float>(last - first + 1) / 2; }

}  // namespace

Placement PlaceWindow(const WindowShape& shape, const WindowBox& window, int image_height,
                      int image_width, bool mirrored) {
  const int crop = shape.crop_size;
  if (shape.context_pad == 0 && !shape.square) return {window, crop, crop, 0, 0};
  const float grow = static_cast<float>(crop) / static_cast<float>(crop - 2 * shape.context_pad);
  const float own_height = HalfOf(window.y1, window.y2), own_width = HalfOf(window.x1, window.x2);
  const float side = std::max(own_height, own_width);
  const Span x = PlaceSpan(crop, window.x1, own_width, shape.square ? side : own_width, grow,
                           image_width, mirrored);
  const Span y = PlaceSpan(crop, window.y1, own_height, shape.square ? side : own_height, grow,
                           image_height, false);
  return {{x.first, y.first, x.last, y.last}, y.size, x.size, y.before, x.before};
}

int ForegroundCount(int batch_size, float fraction) {
  return static_cast<int>(RoundedProduct(static_cast<float>(batch_size), fraction));
}

}  // namespace crema
