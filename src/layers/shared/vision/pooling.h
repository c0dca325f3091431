// Pooling's kernels, which SPP uses too. Images are planes x height x width.
#pragma once

#include <algorithm>
#include <limits>

#include "crema/dev/for_each.h"
#include "crema/dev/philox.h"

namespace crema {
inline namespace CREMA_TARGET {

// The windows along one axis, in pixels.
struct PoolAxis {
  int in = 1, out = 1, kernel = 1, stride = 1, pad = 0;
};

// The pixels first <= i < last.
struct PoolRange {
  int first, last;
};

// A window's part inside of the image; empty if it begins behind the image.
HD inline PoolRange Window(const PoolAxis& a, int window) {
  const int first = window * a.stride - a.pad, last = first + a.kernel;
  return {first > 0 ? first : 0, last < a.in ? last : a.in};
}

// A window's extent within the padded image; at least 1, so that empty windows divide by it.
HD inline int PaddedExtent(const PoolAxis& a, int window) {
  const int first = window * a.stride - a.pad, last = first + a.kernel;
  const int extent = (last < a.in + a.pad ? last : a.in + a.pad) - first;
  return extent > 1 ? extent : 1;
}

// The windows that cover a pixel.
HD inline PoolRange WindowsCovering(const PoolAxis& a, int pixel) {
  const int at = pixel + a.pad;
  const int first = at < a.kernel ? 0 : (at - a.kernel) / a.stride + 1, last = at / a.stride + 1;
  return {first, last < a.out ? last : a.out};
}

struct PoolSizes {
  int64_t planes = 0;  // images x channels
  PoolAxis h, w;
};

// The number of pixels of a window within the padded image, which an int may not hold.
template <class T>
HD inline T PaddedSize(const PoolAxis& h, const PoolAxis& w, int row, int column) {
  return static_cast<T>(PaddedExtent(h, row)) * static_cast<T>(PaddedExtent(w, column));
}

// The output columns whose windows lie whole inside of the image: first <= c < last.
inline PoolRange WholeColumns(const PoolAxis& a) {
  const int first = (a.pad + a.stride - 1) / a.stride;
  const int length = a.in + a.pad - a.kernel;
  const int last = length < 0 ? 0 : std::min(a.out, length / a.stride + 1);
  return {std::min(first, a.out), std::max(std::min(first, a.out), last)};
}

// Columns [0, whole.first) and [whole.last, cols) are counted through by 0 <= c < BorderCount.
inline int BorderCount(int cols, PoolRange whole) { return cols - (whole.last - whole.first); }
HD inline int BorderColumn(PoolRange whole, int c) {
  return c < whole.first ? c : c + (whole.last - whole.first);
}

// In windows that are whole along w. The rows that a window misses along h are replaced by the
// nearest one that it has, which changes neither the maximum nor which pixel is the first to have
// it, so the loops have fixed limits. Not for kernel < stride, where a window may be empty. Without
// kMask nothing is written to the mask.
template <int kKernel, int kStride, bool kMask, class T>
void MaxForwardWhole(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* x, T* y,
                     int32_t* mask) {
  const PoolAxis h = s.h, w = s.w;
  const int start = whole.first * kStride - w.pad;
  const T lowest = std::numeric_limits<T>::lowest();
  ForEach(ctx, s.planes * h.out, whole.last - whole.first, [=] HD(int64_t r, int c) {
    const int64_t plane = r / h.out;
    const int row = static_cast<int>(r % h.out) * kStride - h.pad;
    const T* in = x + plane * h.in * w.in;
    const int left = start + c * kStride;
    T best = lowest;
    for (int i = 0; i < kKernel; ++i) {
      const int near = row + i > 0 ? row + i : 0, line = near < h.in ? near : h.in - 1;
      for (int j = 0; j < kKernel; ++j) {
        const T v = in[line * w.in + left + j];
        best = v > best ? v : best;
      }
    }
    // In a pass of its own, which vectorises; backwards, so that the first of equal values stays.
    int32_t best_at = (row > 0 ? row : 0) * w.in + left;
    for (int i = kKernel - 1; i >= 0; --i) {
      const int near = row + i > 0 ? row + i : 0, line = near < h.in ? near : h.in - 1;
      for (int j = kKernel - 1; j >= 0; --j) {
        const int32_t at = line * w.in + left + j;
        best_at = in[at] == best ? at : best_at;
      }
    }
    y[r * w.out + whole.first + c] = best;
    if (kMask) mask[r * w.out + whole.first + c] = best_at;
  });
}

// The columns beside `whole`. The first of equal values wins. An empty window gives 0.
template <bool kMask, class T>
void MaxForwardAny(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* x, T* y,
                   int32_t* mask) {
  const PoolAxis h = s.h, w = s.w;
  const T lowest = std::numeric_limits<T>::lowest();
  ForEach(ctx, s.planes * h.out, BorderCount(w.out, whole), [=] HD(int64_t r, int c) {
    const int column = BorderColumn(whole, c);
    const PoolRange rows = Window(h, static_cast<int>(r % h.out)), cols = Window(w, column);
    const T* in = x + r / h.out * h.in * w.in;
    const bool empty = rows.first >= rows.last || cols.first >= cols.last;
    int32_t best_at = empty ? -1 : rows.first * w.in + cols.first;
    T best = empty ? T(0) : lowest;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        const T v = in[i * w.in + j];
        if (v > best) {
          best = v;
          best_at = i * w.in + j;
        }
      }
    }
    y[r * w.out + column] = best;
    if (kMask) mask[r * w.out + column] = best_at;
  });
}

template <class T>
void AverageForwardAny(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* x, T* y) {
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.out, BorderCount(w.out, whole), [=] HD(int64_t r, int c) {
    const int column = BorderColumn(whole, c), row = static_cast<int>(r % h.out);
    const PoolRange rows = Window(h, row), cols = Window(w, column);
    const T* in = x + r / h.out * h.in * w.in;
    T sum = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) sum += in[i * w.in + j];
    }
    y[r * w.out + column] = sum / PaddedSize<T>(h, w, row, column);
  });
}

// In windows that are whole along w; the rows that a window misses along h count as 0.
template <int kKernel, int kStride, class T>
void AverageForwardWhole(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* x,
                         T* y) {
  const PoolAxis h = s.h, w = s.w;
  const int start = whole.first * kStride - w.pad;
  ForEach(ctx, s.planes * h.out, whole.last - whole.first, [=] HD(int64_t r, int c) {
    const int row = static_cast<int>(r % h.out) * kStride - h.pad;
    const T* in = x + r / h.out * h.in * w.in + start + c * kStride;
    const T size = static_cast<T>(PaddedExtent(h, static_cast<int>(r % h.out)) * kKernel);
    T sum = 0;
    for (int i = 0; i < kKernel; ++i) {
      const int near = row + i > 0 ? row + i : 0, line = near < h.in ? near : h.in - 1;
      const bool inside = line == row + i;
      for (int j = 0; j < kKernel; ++j) sum += inside ? in[line * w.in + j] : T(0);
    }
    y[r * w.out + whole.first + c] = sum / size;
  });
}

// Draws a pixel with a probability in proportion to its value. `mask` may be null.
template <class T>
void StochasticTrain(const Context& ctx, const PoolSizes& s, uint64_t mixed, const T* x, T* y,
                     int32_t* mask) {
  const PoolAxis h = s.h, w = s.w;
  const uint64_t* step = ctx.device_step();
  ForEach(ctx, s.planes * h.out, w.out, [=] HD(int64_t r, int c) {
    const PoolRange rows = Window(h, static_cast<int>(r % h.out)), cols = Window(w, c);
    const T* in = x + r / h.out * h.in * w.in;
    T sum = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) sum += in[i * w.in + j];
    }
    const int64_t out = r * w.out + c;
    const T threshold = RandomUniform(mixed, *step, static_cast<uint64_t>(out)) * sum;
    T reached = 0;
    int32_t at = -1;
    bool found = false;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        reached += in[i * w.in + j];
        at = found ? at : i * w.in + j;
        found = found || reached > threshold;
      }
    }
    y[out] = at < 0 ? T(0) : in[at];
    if (mask != nullptr) mask[out] = at;
  });
}

// What StochasticTrain gives on average.
template <class T>
void StochasticTest(const Context& ctx, const PoolSizes& s, const T* x, T* y) {
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.out, w.out, [=] HD(int64_t r, int c) {
    const PoolRange rows = Window(h, static_cast<int>(r % h.out)), cols = Window(w, c);
    const T* in = x + r / h.out * h.in * w.in;
    T sum = 0, squares = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        const T v = in[i * w.in + j];
        sum += v;
        squares += v * v;
      }
    }
    y[r * w.out + c] = sum > 0 ? squares / sum : T(0);
  });
}

// Backward, each pixel gathers from the windows that cover it. Where kernel and stride are known,
// the pixels of a row are taken `stride` at a time: with b = pixel + pad over stride, only the
// windows b, b - 1 ... b - (kTouched - 1) can cover them, so that all loops have fixed limits.
// Blocks are whole where all these pixels and windows exist; `whole` counts them.
template <int kKernel, int kStride>
constexpr int kTouched = (kKernel + kStride - 1) / kStride;

template <int kKernel, int kStride>
PoolRange WholeBlocks(const PoolAxis& a) {
  const int first = std::max(kTouched<kKernel, kStride> - 1, (a.pad + a.stride - 1) / a.stride);
  return {first, std::max(first, std::min(a.out, (a.in + a.pad) / a.stride))};
}

// The pixels of whole blocks.
inline PoolRange BlockPixels(const PoolAxis& a, PoolRange whole) {
  if (whole.first == whole.last) return {0, 0};
  return {whole.first * a.stride - a.pad, whole.last * a.stride - a.pad};
}

template <int kKernel, int kStride, class T>
void MaskBackwardWhole(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* dy,
                       const int32_t* mask, T* dx) {
  constexpr int kWindows = kTouched<kKernel, kStride>;
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.in, whole.last - whole.first, [=] HD(int64_t r, int c) {
    const int row = static_cast<int>(r % h.in), block = whole.first + c;
    const int left = block * kStride - w.pad;
    T sum[kStride] = {};
    for (int i = kWindows - 1; i >= 0; --i) {
      const int line = (row + h.pad) / kStride - i;
      const bool exists = line >= 0 && line < h.out;
      // No window has taken pixel -2.
      const int32_t at = exists ? row * w.in + left : -2 - kStride;
      const int64_t first = (r / h.in * h.out + (exists ? line : 0)) * w.out + block;
      for (int j = kWindows - 1; j >= 0; --j) {
        const int32_t taken = mask[first - j];
        const T gradient = dy[first - j];
        for (int p = 0; p < kStride; ++p) sum[p] += taken == at + p ? gradient : T(0);
      }
    }
    for (int p = 0; p < kStride; ++p) dx[r * w.in + left + p] = sum[p];
  });
}

template <class T>
void MaskBackwardAny(const Context& ctx, const PoolSizes& s, PoolRange done, const T* dy,
                     const int32_t* mask, T* dx) {
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.in, BorderCount(w.in, done), [=] HD(int64_t r, int c) {
    const int row = static_cast<int>(r % h.in), column = BorderColumn(done, c);
    const int64_t plane = r / h.in * h.out * w.out;
    const PoolRange rows = WindowsCovering(h, row), cols = WindowsCovering(w, column);
    T sum = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        const int64_t window = plane + i * w.out + j;
        if (mask[window] == row * w.in + column) sum += dy[window];
      }
    }
    dx[r * w.in + column] = sum;
  });
}

template <int kKernel, int kStride, class T>
void AverageBackwardWhole(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* dy,
                          T* dx) {
  constexpr int kWindows = kTouched<kKernel, kStride>;
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.in, whole.last - whole.first, [=] HD(int64_t r, int c) {
    const int at = static_cast<int>(r % h.in) + h.pad, block = whole.first + c;
    const int left = block * kStride - w.pad;
    T sum[kStride] = {};
    for (int i = kWindows - 1; i >= 0; --i) {
      const int line = at / kStride - i;
      const bool covers = line >= 0 && line < h.out && at - line * kStride < kKernel;
      const int64_t first = (r / h.in * h.out + (covers ? line : 0)) * w.out + block;
      const int height = PaddedExtent(h, line);
      for (int j = kWindows - 1; j >= 0; --j) {
        const T share = dy[first - j] / static_cast<T>(height * PaddedExtent(w, block - j));
        for (int p = 0; p < kStride; ++p) {
          sum[p] += covers && j * kStride + p < kKernel ? share : T(0);
        }
      }
    }
    for (int p = 0; p < kStride; ++p) dx[r * w.in + left + p] = sum[p];
  });
}

template <class T>
void AverageBackwardAny(const Context& ctx, const PoolSizes& s, PoolRange done, const T* dy,
                        T* dx) {
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.in, BorderCount(w.in, done), [=] HD(int64_t r, int c) {
    const int column = BorderColumn(done, c);
    const int64_t plane = r / h.in * h.out * w.out;
    const PoolRange rows = WindowsCovering(h, static_cast<int>(r % h.in)),
                    cols = WindowsCovering(w, column);
    T sum = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        sum += dy[plane + i * w.out + j] / PaddedSize<T>(h, w, i, j);
      }
    }
    dx[r * w.in + column] = sum;
  });
}

template <class T>
void MaskToTop(const Context& ctx, int64_t count, const int32_t* mask, T* top) {
  ForEach(ctx, count, [=] HD(int64_t i) { top[i] = static_cast<T>(mask[i]); });
}

// Where the windows are square and common, runs the statement with their kKernel and kStride; else
// does nothing.
#define CREMA_POOL_DISPATCH(sizes, ...)       \
  do {                                        \
    const int common = CommonWindow(sizes);   \
    if (common == 22) {                       \
      constexpr int kKernel = 2, kStride = 2; \
      __VA_ARGS__;                            \
    } else if (common == 32) {                \
      constexpr int kKernel = 3, kStride = 2; \
      __VA_ARGS__;                            \
    } else if (common == 31) {                \
      constexpr int kKernel = 3, kStride = 1; \
      __VA_ARGS__;                            \
    }                                         \
  } while (false)

// Kernel and stride as a two-digit number, or 0.
inline int CommonWindow(const PoolSizes& s) {
  if (s.h.kernel != s.w.kernel || s.h.stride != s.w.stride) return 0;
  if (s.h.kernel > 3 || s.h.stride > 2) return 0;
  return s.h.kernel * 10 + s.h.stride;
}

template <bool kMask, class T>
void MaxForwardBy(const Context& ctx, const PoolSizes& s, const T* x, T* y, int32_t* mask) {
  PoolRange whole{0, 0};
  CREMA_POOL_DISPATCH(s, {
    whole = WholeColumns(s.w);
    MaxForwardWhole<kKernel, kStride, kMask>(ctx, s, whole, x, y, mask);
  });
  MaxForwardAny<kMask>(ctx, s, whole, x, y, mask);
}

// mask: which pixel of its plane each window took; null if nobody wants to know.
template <class T>
void MaxForward(const Context& ctx, const PoolSizes& s, const T* x, T* y, int32_t* mask) {
  if (mask != nullptr) return MaxForwardBy<true>(ctx, s, x, y, mask);
  MaxForwardBy<false>(ctx, s, x, y, mask);
}

template <class T>
void AverageForward(const Context& ctx, const PoolSizes& s, const T* x, T* y) {
  PoolRange whole{0, 0};
  CREMA_POOL_DISPATCH(s, {
    whole = WholeColumns(s.w);
    AverageForwardWhole<kKernel, kStride>(ctx, s, whole, x, y);
  });
  AverageForwardAny(ctx, s, whole, x, y);
}

template <class T>
void MaskBackward(const Context& ctx, const PoolSizes& s, const T* dy, const int32_t* mask, T* dx) {
  PoolRange whole{0, 0};
  CREMA_POOL_DISPATCH(s, {
    whole = WholeBlocks<kKernel, kStride>(s.w);
    MaskBackwardWhole<kKernel, kStride>(ctx, s, whole, dy, mask, dx);
  });
  MaskBackwardAny(ctx, s, BlockPixels(s.w, whole), dy, mask, dx);
}

template <class T>
void AverageBackward(const Context& ctx, const PoolSizes& s, const T* dy, T* dx) {
  PoolRange whole{0, 0};
  CREMA_POOL_DISPATCH(s, {
    whole = WholeBlocks<kKernel, kStride>(s.w);
    AverageBackwardWhole<kKernel, kStride>(ctx, s, whole, dy, dx);
  });
  AverageBackwardAny(ctx, s, BlockPixels(s.w, whole), dy, dx);
}

// The number of windows along an axis; below 1 if none fits.
inline int CountWindows(const PoolAxis& a, bool round_up) {
  const int64_t length = int64_t{a.in} + 2 * a.pad - a.kernel;  // that the window can move
  int64_t steps = length / a.stride;
  const int64_t rest = length - steps * a.stride;  // has the sign of length
  if (round_up && rest > 0) ++steps;
  if (!round_up && rest < 0) --steps;
  // With padding, the last window must begin within the image or the padding before it.
  if (a.pad > 0 && steps * a.stride >= a.in + a.pad) --steps;
  return static_cast<int>(steps + 1);
}

}  // namespace CREMA_TARGET
}  // namespace crema
