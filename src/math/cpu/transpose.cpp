// TransposeEach on the CPU. What is written lies in order, so that what is read does not: each
// number lies in another line of the cache. That is as fast as any way while the cache can hold a
// line of each row; where it cannot, squares go through a buffer, so that each line is read once,
// and whole.
#include "crema/math/transpose.h"

#include <algorithm>
#include <cstring>

#include "crema/math/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

constexpr int kSide = 16;  // numbers; a line of the cache holds 16 of float

template <class T>
using Square = T[kSide][kSide];

constexpr int kLanes = 8;
typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));

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
    constexpr auto first = First<kBlock>, second = Second<kBlock>;
    rows[r] = __builtin_shufflevector(a, b, first(0), first(1), first(2), first(3), first(4),
                                      first(5), first(6), first(7));
    rows[r + kBlock] = __builtin_shufflevector(a, b, second(0), second(1), second(2), second(3),
                                               second(4), second(5), second(6), second(7));
  }
}

// A square of 8 is transposed by changing the blocks of 4 off its diagonal, then in each of its
// quarters those of 2, then those of 1.
inline void TransposeSquare(const Square<float>& square, float* out, int64_t stride) {
  for (int c = 0; c < kSide; c += kLanes) {
    for (int r = 0; r < kSide; r += kLanes) {
      Vec rows[kLanes];
      for (int i = 0; i < kLanes; ++i) std::memcpy(&rows[i], &square[r + i][c], sizeof(Vec));
      SwapBlocks<4>(rows);
      SwapBlocks<2>(rows);
      SwapBlocks<1>(rows);
      for (int i = 0; i < kLanes; ++i) {
        std::memcpy(out + (c + i) * stride + r, &rows[i], sizeof(Vec));
      }
    }
  }
}

// Only tests work in double.
inline void TransposeSquare(const Square<double>& square, double* out, int64_t stride) {
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

// Of all rows, `columns` columns, of which there are at most kSide.
template <class T>
void TransposeStrip(int rows, int columns, const T* in, int64_t in_stride, T* out) {
  for (int r = 0; r < rows; r += kSide) {
    const T* from = in + r * in_stride;
    if (rows - r >= kSide && columns == kSide) {
      TransposeWhole(from, in_stride, out + r, rows);
    } else {
      TransposePart(std::min(kSide, rows - r), columns, from, in_stride, out + r, rows);
    }
  }
}

template <class T>
void TransposeInSquares(int64_t matrices, int rows, int columns, const T* in, T* out) {
  const int64_t size = int64_t{rows} * columns;
  const int64_t strips = (columns + kSide - 1) / kSide;
#pragma omp parallel for schedule(static) if (parallel : WorthThreads(matrices * size))
  for (int64_t strip = 0; strip < matrices * strips; ++strip) {
    const int64_t start = strip / strips * size;
    const int c = static_cast<int>(strip % strips) * kSide;
    TransposeStrip(rows, std::min(kSide, columns - c), in + start + c, columns,
                   out + start + int64_t{c} * rows);
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

// A cache of 32 KB can hold a line of each of so many rows, unless they lie so far apart that they
// share few of its sets. Measured on Zen 4: both ways are as fast near the first bound, and squares
// are two to six times as fast beyond the second.
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

}  // namespace CREMA_TARGET
}  // namespace crema
