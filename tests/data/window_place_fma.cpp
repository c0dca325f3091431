// window_place.cpp once more, in a namespace of its own and, on x86-64, for processors that can
// fuse a product and a sum (see CMakeLists.txt). Called through C, since its types are others.
#define crema crema_fma
#include "data/window_place.cpp"  // NOLINT

extern "C" void PlaceWindowWithFma(const int* shape, const int* window, const int* image,
                                   int* place) {
  const crema_fma::Placement p = crema_fma::PlaceWindow(
      {shape[0], shape[1], shape[2] != 0}, {window[0], window[1], window[2], window[3]}, image[0],
      image[1], image[2] != 0);
  const int numbers[] = {p.from.x1, p.from.y1, p.from.x2, p.from.y2,
                         p.height,  p.width,   p.top,     p.left};
  for (int i = 0; i < 8; ++i) place[i] = numbers[i];
}
