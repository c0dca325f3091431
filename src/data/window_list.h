// Lists of windows in images, as R-CNN's scripts write them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace crema {

// Corners in pixels, both within the window.
struct ImageWindow {
  size_t image;
  int label;
  int x1, y1, x2, y2;
};

// A window file: for each image "# INDEX", its path, channels, height and width, the number of
// windows, and the windows "LABEL OVERLAP X1 Y1 X2 Y2". Paths may have blanks.
struct WindowList {
  std::vector<std::string> images;  // paths
  std::vector<ImageWindow> foreground, background;
};

// Windows that overlap an object by fg_threshold or more are foreground, by less than bg_threshold
// background, with the label 0. `root` is put before each path. Throws Error, beginning with
// `owner`, if the file is missing, empty, ends early or makes no sense; it names the line.
WindowList ReadWindowList(const std::string& path, const std::string& root, float fg_threshold,
                          float bg_threshold, const std::string& owner);
// How much memory it takes.
size_t HeldBytes(const WindowList& list);

}  // namespace crema
