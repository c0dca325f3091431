// Where a window of an image goes in a crop.
#pragma once

namespace crema {

struct WindowShape {
  int crop_size = 0, context_pad = 0;
  bool square = false;
};

// Corners in pixels, both within; what is cut out of an image.
struct WindowBox {
  int x1, y1, x2, y2;
};

// The size of the cut-out when it has been stretched, and the pixels left free before it.
struct Placement {
  WindowBox from;
  int height, width;
  int top, left;
};

// Makes the window larger, so that context_pad pixels of surroundings are in the crop, or square;
// what would be outside of the image stays free. All numbers are those of Caffe in single
// precision, on every processor.
Placement PlaceWindow(const WindowShape& shape, const WindowBox& window, int image_height,
                      int image_width, bool mirrored);

// How many windows of a batch are foreground.
int ForegroundCount(int batch_size, float fraction);

}  // namespace crema
