#include "few_rows.h"

#include <algorithm>
#include <type_traits>

#include "crema/math/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

// Eight floats, which the compiler makes of what the processor has. May lie anywhere in memory.
using Vec = float __attribute__((vector_size(32), aligned(4), may_alias));
constexpr int kLanes = 8;

inline const Vec& Load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
inline void Store(float* p, Vec v) { *reinterpret_cast<Vec*>(p) = v; }

inline float SumOf(Vec v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

// y[r * ldy + j] = beta * y + row r of x times row j of w, for R x J rows of k numbers.
template <int R, int J>
void Dots(int64_t k, const float* x, const float* w, float beta, float* y, int64_t ldy) {
  Vec sums[R][J] = {};
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    for (int r = 0; r < R; ++r) {
      const Vec xr = Load(x + r * k + i);
      for (int j = 0; j < J; ++j) sums[r][j] += xr * Load(w + j * k + i);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < J; ++j) {
      float sum = SumOf(sums[r][j]);
      for (int64_t t = i; t < k; ++t) sum += x[r * k + t] * w[j * k + t];
      float& out = y[r * ldy + j];
      out = beta == 0 ? sum : beta * out + sum;
    }
  }
}

template <int J>
void DotsOfRows(int64_t m, int64_t k, const float* x, const float* w, float beta, float* y,
                int64_t ldy) {
  int64_t r = 0;
  for (; r + 2 <= m; r += 2) Dots<2, J>(k, x + r * k, w, beta, y + r * ldy, ldy);
  if (r < m) Dots<1, J>(k, x + r * k, w, beta, y + r * ldy, ldy);
}

// y (m x n) = beta * y + x W^T. Four rows of W at a time meet all of x.
void Forward(const Context& ctx, int64_t m, int64_t n, int64_t k, const float* x, const float* w,
             float beta, float* y) {
  constexpr int64_t kTile = 64;
  ParallelTasks(ctx, static_cast<int>((n + kTile - 1) / kTile), [=](int task, int) {
    const int64_t last = std::min(n, (task + 1) * kTile);
    int64_t j = task * kTile;
    for (; j + 4 <= last; j += 4) DotsOfRows<4>(m, k, x, w + j * k, beta, y + j, n);
    for (; j < last; ++j) DotsOfRows<1>(m, k, x, w + j * k, beta, y + j, n);
  });
}

// dx (M rows, `cols` of their ldx columns) += J rows of W, each times its dy.
template <int M, int J>
void AddRows(int64_t cols, const float* dy, int64_t ldy, const float* w, int64_t ldw, float* dx,
             int64_t ldx) {
  float factor[M][J];
  for (int r = 0; r < M; ++r) {
    for (int j = 0; j < J; ++j) factor[r][j] = dy[r * ldy + j];
  }
  int64_t i = 0;
  for (; i + kLanes <= cols; i += kLanes) {
    Vec sums[M];
    for (int r = 0; r < M; ++r) sums[r] = Load(dx + r * ldx + i);
    for (int j = 0; j < J; ++j) {
      const Vec wj = Load(w + j * ldw + i);
      for (int r = 0; r < M; ++r) sums[r] += wj * factor[r][j];
    }
    for (int r = 0; r < M; ++r) Store(dx + r * ldx + i, sums[r]);
  }
  for (; i < cols; ++i) {
    for (int r = 0; r < M; ++r) {
      for (int j = 0; j < J; ++j) dx[r * ldx + i] += w[j * ldw + i] * factor[r][j];
    }
  }
}

// dx (M x k) = beta * dx + dy W. A task has some columns, so that its part of dx stays in the
// cache.
template <int M>
void BottomGradient(const Context& ctx, int64_t n, int64_t k, const float* dy, const float* w,
                    float beta, float* dx) {
  const int64_t tile = std::max<int64_t>(2048, (k / 16 + kLanes - 1) / kLanes * kLanes);
  ParallelTasks(ctx, static_cast<int>((k + tile - 1) / tile), [=](int task, int) {
    const int64_t first = task * tile, cols = std::min(tile, k - first);
    for (int r = 0; r < M; ++r) {
      float* row = dx + r * k + first;
      for (int64_t i = 0; i < cols; ++i) row[i] = beta == 0 ? 0 : beta * row[i];
    }
    int64_t j = 0;
    for (; j + 8 <= n; j += 8) {
      AddRows<M, 8>(cols, dy + j, n, w + j * k + first, k, dx + first, k);
    }
    for (; j < n; ++j) AddRows<M, 1>(cols, dy + j, n, w + j * k + first, k, dx + first, k);
  });
}

// dW (n x k) += dy^T x, of M rows each: row j of dW gets the rows of x, each times its dy.
template <int M>
void WeightGradient(const Context& ctx, int64_t n, int64_t k, const float* dy, const float* x,
                    float* dw) {
  constexpr int64_t kTile = 64;
  ParallelTasks(ctx, static_cast<int>((n + kTile - 1) / kTile), [=](int task, int) {
    const int64_t last = std::min(n, (task + 1) * kTile);
    for (int64_t j = task * kTile; j < last; ++j) {
      float factor[M];
      for (int r = 0; r < M; ++r) factor[r] = dy[r * n + j];
      AddRows<1, M>(k, factor, M, x, k, dw + j * k, k);
    }
  });
}

// Runs f<m> for an m from 1 to 4.
template <class F>
void WithRows(int64_t m, const F& f) {
  switch (m) {
    case 1: f(std::integral_constant<int, 1>()); break;
    case 2: f(std::integral_constant<int, 2>()); break;
    case 3: f(std::integral_constant<int, 3>()); break;
    default: f(std::integral_constant<int, 4>()); break;
  }
}

}  // namespace

bool TryFewRows(const Context& ctx, Transpose a_op, Transpose b_op, int64_t m, int64_t n, int64_t k,
                float alpha, const float* a, const float* b, float beta, float* c) {
  constexpr int64_t kLarge = 1 << 16;  // elements of W from which on this is faster
  const bool ta = a_op == Transpose::kYes, tb = b_op == Transpose::kYes;
  if (alpha != 1) return false;
  if (!ta && tb && m >= 1 && m <= 16 && n * k >= kLarge) {
    Forward(ctx, m, n, k, a, b, beta, c);
    return true;
  }
  if (!ta && !tb && m >= 1 && m <= 4 && n * k >= kLarge) {
    WithRows(m, [&](auto rows) { BottomGradient<rows>(ctx, k, n, a, b, beta, c); });
    return true;
  }
  if (ta && !tb && k >= 1 && k <= 4 && beta == 1 && m * n >= kLarge) {
    WithRows(k, [&](auto rows) { WeightGradient<rows>(ctx, m, n, a, b, c); });
    return true;
  }
  return false;
}

}  // namespace CREMA_TARGET
}  // namespace crema
