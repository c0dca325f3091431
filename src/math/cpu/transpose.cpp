// TransposeEach on the CPU. Either what is read or what is written cannot lie in order: each of its
// numbers lies in another line of the cache. That is as fast as any way while few lines are in use
// at a time; where they are many, or far apart, squares go through a buffer, so that each line is
// read once, and whole.
#include "crema/dev/transpose.h"

#include <algorithm>
#include <cstring>

#include "crema/dev/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

constexpr int kSide = 16;  // numbers; a line of the cache holds 16 of float

template <class T>
using Square = T[kSide][kSide];

constexpr int kLanes = 4;  // that every x86-64 has
using Vec = float __attribute__((vector_size(kLanes * sizeof(float))));

// Which of two rows' numbers, kLanes and more meaning the second row's, lies in `lane` of the
// first row, and of the second, when the odd blocks of kBlock numbers of the first have changed
// places with the even ones of the second.
template <int kBlock>
constexpr int First(int lane) {
  return (lane & kBlock) == 0 ? lane : lane - kBlock + kLanes;
}
template <int kBlock>
constexpr int Second(int lane) {
  return (lane & kBlock) == 0 ? lane + kBlock : lane + kLanes;
}

template <int kBlock>
inline void SwapBlocks(Vec* rows) {
  for (int r = 0; r < kLanes; ++r) {
    if ((r & kBlock) != 0) continue;
    const Vec a = rows[r], b = rows[r + kBlock];
    rows[r] = __builtin_shufflevector(a, b, First<kBlock>(0), First<kBlock>(1), First<kBlock>(2),
                                      First<kBlock>(3));
    rows[r + kBlock] = __builtin_shufflevector(a, b, Second<kBlock>(0), Second<kBlock>(1),
                                               Second<kBlock>(2), Second<kBlock>(3));
  }
}

// A square of kLanes is transposed by changing the blocks of 2 off its diagonal, then in each of
// its quarters those of 1.
inline void TransposeSquare(const Square<float>& square, float* out, int64_t stride) {
  for (int c = 0; c < kSide; c += kLanes) {
    for (int r = 0; r < kSide; r += kLanes) {
      Vec rows[kLanes];
      for (int i = 0; i < kLanes; ++i) std::memcpy(&rows[i], &square[r + i][c], sizeof(Vec));
      SwapBlocks<2>(rows);
      SwapBlocks<1>(rows);
      for (int i = 0; i < kLanes; ++i) {
        std::memcpy(out + (c + i) * stride + r, &rows[i], sizeof(Vec));
      }
    }
  }
}

// Only tests work in double, and few blobs hold whole numbers.
template <class T>
void TransposeSquare(const Square<T>& square, T* out, int64_t stride) {
  for (int c = 0; c < kSide; ++c) {
    for (int r = 0; r < kSide; ++r) out[c * stride + r] = square[r][c];
  }
}

template <class T>
void TransposeWhole(const T* in, int64_t in_stride, T* out, int64_t out_stride) {
  Square<T> square;
  for (int r = 0; r < kSide; ++r) std::memcpy(square[r], in + r * in_stride, sizeof(square[r]));
  TransposeSquare(square, out, out_stride);
}

// At an edge, where there are fewer.
template <class T>
void TransposePart(int rows, int columns, const T* in, int64_t in_stride, T* out,
                   int64_t out_stride) {
  Square<T> square = {}, transpose;
  for (int r = 0; r < rows; ++r) std::copy_n(in + r * in_stride, columns, square[r]);
  TransposeSquare(square, transpose[0], kSide);
  for (int c = 0; c < columns; ++c) std::copy_n(transpose[c], rows, out + c * out_stride);
}

// `columns` is at most kSide.
template <class T>
void TransposeStrip(int64_t rows, int columns, const T* in, int64_t in_stride, T* out,
                    int64_t out_stride) {
  for (int64_t r = 0; r < rows; r += kSide) {
    const T* from = in + r * in_stride;
    if (rows - r >= kSide && columns == kSide) {
      TransposeWhole(from, in_stride, out + r, out_stride);
    } else {
      const int height = static_cast<int>(std::min<int64_t>(kSide, rows - r));
      TransposePart(height, columns, from, in_stride, out + r, out_stride);
    }
  }
}

constexpr int64_t kStripRows = 512;  // for each task: one matrix may have few strips

template <class T>
void TransposeInSquares(int64_t matrices, int64_t rows, int64_t columns, const T* in, T* out) {
  const int64_t size = rows * columns;
  const int64_t strips = (columns + kSide - 1) / kSide;
  const int64_t parts = (rows + kStripRows - 1) / kStripRows;
#pragma omp parallel for schedule(static) if (parallel : WorthThreads(matrices * size))
  for (int64_t task = 0; task < matrices * strips * parts; ++task) {
    const int64_t start = task / parts / strips * size;
    const int64_t c = task / parts % strips * kSide, r = task % parts * kStripRows;
    TransposeStrip(std::min(kStripRows, rows - r),
                   static_cast<int>(std::min<int64_t>(kSide, columns - c)),
                   in + start + r * columns + c, columns, out + start + c * rows + r, rows);
  }
}

// As images of colours have: column by column, so that two threads do not write into the same
// lines.
template <int kRows, class T>
void InterleaveFew(const Context& ctx, int64_t matrices, int columns, const T* in, T* out) {
  const int64_t inner = columns;
  ForEach(ctx, matrices, columns, [=](int64_t matrix, int c) {
    for (int r = 0; r < kRows; ++r) {
      out[(matrix * inner + c) * kRows + r] = in[(matrix * kRows + r) * inner + c];
    }
  });
}

template <class T>
void TransposeFewRows(const Context& ctx, int64_t matrices, int rows, int columns, const T* in,
                      T* out) {
  if (rows == 3) return InterleaveFew<3>(ctx, matrices, columns, in, out);
  if (rows == 4) return InterleaveFew<4>(ctx, matrices, columns, in, out);
  const int64_t height = rows, width = columns;
  ForEach(ctx, matrices * rows, columns, [=](int64_t line, int c) {
    out[(line / height * width + c) * height + line % height] = in[line * width + c];
  });
}

template <class T>
void TransposeInOrder(const Context& ctx, int64_t matrices, int rows, int columns, const T* in,
                      T* out) {
  const int64_t height = rows, width = columns;
  ForEach(ctx, matrices * width, rows, [=](int64_t line, int r) {
    out[line * height + r] = in[(line / width * height + r) * width + line % width];
  });
}

// A cache of 32 KB has a line for each of so many rows. So far apart they share few of its sets,
// and a load may wait for a store whose address ends alike. Measured on Zen 4: both ways are about
// as fast near the first bound, and squares two to ten times as fast beyond the second.
constexpr int kManyRows = 512;
constexpr size_t kFarApart = 2048;  // and multiples of it

template <class T>
bool IsFastInOrder(int rows, int columns) {
  return columns < kSide || (rows <= kManyRows && columns * sizeof(T) % kFarApart != 0);
}

}  // namespace

template <class T>
void TransposeEach(const Context& ctx, int64_t matrices, int rows, int columns, const T* in,
                   T* out) {
  if (rows < kSide && rows <= columns) {
    TransposeFewRows(ctx, matrices, rows, columns, in, out);
  } else if (IsFastInOrder<T>(rows, columns)) {
    TransposeInOrder(ctx, matrices, rows, columns, in, out);
  } else {
    TransposeInSquares(matrices, rows, columns, in, out);
  }
}

template void TransposeEach<float>(const Context&, int64_t, int, int, const float*, float*);
template void TransposeEach<double>(const Context&, int64_t, int, int, const double*, double*);
template void TransposeEach<int32_t>(const Context&, int64_t, int, int, const int32_t*, int32_t*);

}  // namespace CREMA_TARGET
}  // namespace crema
