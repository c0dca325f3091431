#include "few_rows.h"

#include <algorithm>

#include "crema/dev/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

// Eight floats, which the compiler makes of what the processor has. May lie anywhere in memory.
using Vec = float __attribute__((vector_size(32), aligned(4), may_alias));
constexpr int kLanes = 8;
constexpr int kWide = 2 * kLanes;
constexpr int kMostRows = 16;

inline int64_t RoundUp(int64_t x, int64_t multiple) {
  return (x + multiple - 1) / multiple * multiple;
}

inline const Vec& Load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
inline void Store(float* p, Vec v) { *reinterpret_cast<Vec*>(p) = v; }

inline float SumOf(Vec v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

// sums[r][j] += row r of x times row j of w, for R x J rows of k numbers, a multiple of kLanes.
// `prefetch`: asks for as many numbers of J rows from `ahead` on.
template <int R, int J, bool prefetch>
void AddDots(int64_t k, const float* x, int64_t ldx, const float* w, int64_t ldw,
             const float* ahead, Vec (*sums)[J]) {
  Vec local[R][J];
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < J; ++j) local[r][j] = sums[r][j];
  }
  for (int64_t i = 0; i < k; i += kLanes) {
    Vec wj[J];
    for (int j = 0; j < J; ++j) wj[j] = Load(w + j * ldw + i);
    for (int j = 0; j < J && prefetch; ++j) __builtin_prefetch(ahead + j * ldw + i, 0, 2);
    for (int r = 0; r < R; ++r) {
      const Vec xr = Load(x + r * ldx + i);
      for (int j = 0; j < J; ++j) local[r][j] += xr * wj[j];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < J; ++j) sums[r][j] = local[r][j];
  }
}

// y[r * ldy + j] = beta * y + row r of x times row j of w, for m x J rows of k numbers. A piece of
// the rows of w stays in the nearest cache while all of x meets it.
template <int J>
void Dots(int64_t m, int64_t k, const float* x, const float* w, float beta, float* y, int64_t ldy) {
  constexpr int64_t kPiece = 2048;
  const int64_t whole = k / kLanes * kLanes;
  Vec sums[kMostRows][J] = {};
  for (int64_t first = 0; first < whole; first += kPiece) {
    const int64_t piece = std::min(kPiece, whole - first);
    const float* from = w + first;
    const float* ahead = first + kPiece < whole ? from + kPiece : w + J * k;
    int64_t r = 0;
    if (m >= 8) {  // the others do not wait for memory then
      AddDots<4, J, true>(piece, x + first, k, from, k, ahead, sums);
      r = 4;
    }
    for (; r + 4 <= m; r += 4) {
      AddDots<4, J, false>(piece, x + r * k + first, k, from, k, ahead, sums + r);
    }
    for (; r < m; ++r) {
      AddDots<1, J, false>(piece, x + r * k + first, k, from, k, ahead, sums + r);
    }
  }
  for (int64_t r = 0; r < m; ++r) {
    for (int j = 0; j < J; ++j) {
      float sum = SumOf(sums[r][j]);
      for (int64_t t = whole; t < k; ++t) sum += x[r * k + t] * w[j * k + t];
      float& out = y[r * ldy + j];
      out = beta == 0 ? sum : beta * out + sum;
    }
  }
}

// y (m x n) = beta * y + x W^T. Three rows of W at a time meet all of x.
void Forward(const Context& ctx, int64_t m, int64_t n, int64_t k, const float* x, const float* w,
             float beta, float* y) {
  constexpr int64_t kTile = 60;
  ParallelTasks(ctx, static_cast<int>((n + kTile - 1) / kTile), [=](int task, int) {
    const int64_t last = std::min(n, (task + 1) * kTile);
    int64_t j = task * kTile;
    for (; j + 3 <= last; j += 3) Dots<3>(m, k, x, w + j * k, beta, y + j, n);
    for (; j < last; ++j) Dots<1>(m, k, x, w + j * k, beta, y + j, n);
  });
}

// How a sum begins.
enum class From { kZero, kOld };

// R rows of `cols` numbers, to each of which J rows of w are added, each times a factor.
template <int R, int J, From from>
void AddRows(int64_t cols, const float (&factor)[R][J], const float* w, int64_t ldw, float* y,
             int64_t ldy) {
  int64_t i = 0;
  for (; i + kWide <= cols; i += kWide) {
    Vec left[R] = {}, right[R] = {};
    for (int r = 0; r < R && from == From::kOld; ++r) {
      left[r] = Load(y + r * ldy + i);
      right[r] = Load(y + r * ldy + i + kLanes);
    }
    for (int j = 0; j < J; ++j) {
      const Vec wl = Load(w + j * ldw + i), wr = Load(w + j * ldw + i + kLanes);
      for (int r = 0; r < R; ++r) {
        left[r] += wl * factor[r][j];
        right[r] += wr * factor[r][j];
      }
    }
    for (int r = 0; r < R; ++r) {
      Store(y + r * ldy + i, left[r]);
      Store(y + r * ldy + i + kLanes, right[r]);
    }
  }
  for (; i < cols; ++i) {
    for (int r = 0; r < R; ++r) {
      float sum = from == From::kZero ? 0 : y[r * ldy + i];
      for (int j = 0; j < J; ++j) sum += w[j * ldw + i] * factor[r][j];
      y[r * ldy + i] = sum;
    }
  }
}

// Where a factor of a row of y and a row of w is.
struct Factors {
  const float* first;
  int64_t per_row, per_w;
};

template <int R, int J>
void AddRows(int64_t cols, const Factors& factors, const float* w, int64_t ldw, From from, float* y,
             int64_t ldy) {
  float factor[R][J];
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < J; ++j) {
      factor[r][j] = factors.first[r * factors.per_row + j * factors.per_w];
    }
  }
  if (from == From::kZero) {
    AddRows<R, J, From::kZero>(cols, factor, w, ldw, y, ldy);
  } else {
    AddRows<R, J, From::kOld>(cols, factor, w, ldw, y, ldy);
  }
}

// Of `count` rows of w; `rows` rows of y.
template <int J>
int64_t AddBy(int64_t rows, int64_t count, int64_t done, int64_t cols, const Factors& f,
              const float* w, int64_t ldw, From from, float* y, int64_t ldy) {
  for (; done + J <= count; done += J) {
    const From begin = done == 0 ? from : From::kOld;
    int64_t r = 0;
    const auto at = [&](int64_t row) {
      return Factors{f.first + row * f.per_row + done * f.per_w, f.per_row, f.per_w};
    };
    for (; r + 4 <= rows; r += 4) {
      AddRows<4, J>(cols, at(r), w + done * ldw, ldw, begin, y + r * ldy, ldy);
    }
    for (; r < rows; ++r) {
      AddRows<1, J>(cols, at(r), w + done * ldw, ldw, begin, y + r * ldy, ldy);
    }
  }
  return done;
}

// The same for any number of both.
void AddAll(int64_t rows, int64_t count, int64_t cols, const Factors& factors, const float* w,
            int64_t ldw, From from, float* y, int64_t ldy) {
  const int64_t done = AddBy<8>(rows, count, 0, cols, factors, w, ldw, from, y, ldy);
  AddBy<1>(rows, count, done, cols, factors, w, ldw, from, y, ldy);
}

// dx (m x k) = dy W, or added to it. A task has some columns, so that its part of dx stays in the
// cache.
void BottomGradient(const Context& ctx, int64_t m, int64_t n, int64_t k, const float* dy,
                    const float* w, From from, float* dx) {
  constexpr int64_t kLeast = 512;
  const int64_t tile = std::max(kLeast, RoundUp(k / 16, kWide));
  ParallelTasks(ctx, static_cast<int>((k + tile - 1) / tile), [=](int task, int) {
    const int64_t first = task * tile, cols = std::min(tile, k - first);
    AddAll(m, n, cols, {dy, n, 1}, w + first, k, from, dx + first, k);
  });
}

// dW (n x k) = dy^T x, or added to it, of m rows each: row j of dW gets the rows of x, each times
// its dy. Pieces of four rows stay in the nearest cache. A task has some rows or, where those are
// few, some columns.
void WeightGradient(const Context& ctx, int64_t m, int64_t n, int64_t k, const float* dy,
                    const float* x, From from, float* dw) {
  constexpr int64_t kRows = 64, kPiece = 1024;
  const int64_t by_rows = (n + kRows - 1) / kRows;
  const int64_t width = by_rows >= 16 ? k : kPiece, by_cols = (k + width - 1) / width;
  ParallelTasks(ctx, static_cast<int>(by_rows * by_cols), [=](int task, int) {
    const int64_t first_row = task / by_cols * kRows, last_row = std::min(n, first_row + kRows);
    const int64_t first = task % by_cols * width, last = std::min(k, first + width);
    for (int64_t j = first_row; j < last_row; j += 4) {
      const int64_t rows = std::min<int64_t>(4, last_row - j);
      for (int64_t i = first; i < last; i += kPiece) {
        AddAll(rows, m, std::min(kPiece, last - i), {dy + j, 1, n}, x + i, k, from, dw + j * k + i,
               k);
      }
    }
  });
}

}  // namespace

bool TryFewRows(const Context& ctx, Transpose a_op, Transpose b_op, int64_t m, int64_t n, int64_t k,
                float alpha, const float* a, const float* b, float beta, float* c) {
  constexpr int64_t kLarge = 1 << 16;  // elements of W from which on this is faster
  const bool ta = a_op == Transpose::kYes, tb = b_op == Transpose::kYes;
  const auto few = [](int64_t rows) { return rows >= 1 && rows <= kMostRows; };
  if (alpha != 1) return false;
  if (!ta && tb && few(m) && n * k >= kLarge) {
    Forward(ctx, m, n, k, a, b, beta, c);
    return true;
  }
  if (beta != 0 && beta != 1) return false;
  const From from = beta == 0 ? From::kZero : From::kOld;
  if (!ta && !tb && few(m) && n * k >= kLarge) {
    BottomGradient(ctx, m, k, n, a, b, from, c);
    return true;
  }
  if (ta && !tb && few(k) && m * n >= kLarge) {
    WeightGradient(ctx, k, m, n, a, b, from, c);
    return true;
  }
  return false;
}

}  // namespace CREMA_TARGET
}  // namespace crema
