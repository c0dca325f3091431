// ForEach and ParallelTasks on the fake GPU: queued, and run in shuffled order.
// What they promise is in crema/dev/for_each.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "crema/context.h"
#include "device/fake.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// 0 .. count-1 in an order that depends on count alone: steps of about 0.618 * count, made coprime
// to it, so that neighbours are far apart.
class LaunchOrder {
 public:
  explicit LaunchOrder(int64_t count)
      : count_(count),
        step_(
            std::max<int64_t>(1, static_cast<int64_t>(0.6180339887 * static_cast<double>(count)))),
        at_(count / 3) {
    while (std::gcd(step_, count_) != 1) ++step_;
  }
  int64_t Next() {
    at_ = at_ >= count_ - step_ ? at_ - (count_ - step_) : at_ + step_;
    return at_;
  }

 private:
  int64_t count_, step_, at_;
};

template <class F>
void ForEach(const Context& ctx, int64_t rows, int cols, F f) {
  if (rows <= 0 || cols <= 0) return;
  CheckFakeCaptures(ctx.device(), f);
  LaunchOnFake(ctx.device(), [=] {
    LaunchOrder order(rows * cols);
    for (int64_t n = rows * cols; n > 0; --n) {
      const int64_t i = order.Next();
      f(i / cols, static_cast<int>(i % cols));
    }
  });
}

template <class F>
void ForEach(const Context& ctx, int64_t count, F f) {
  if (count <= 0) return;
  CheckFakeCaptures(ctx.device(), f);
  LaunchOnFake(ctx.device(), [=] {
    LaunchOrder order(count);
    for (int64_t n = count; n > 0; --n) f(order.Next());
  });
}

// The tasks are host code that queues kernels; one after the other is soon enough.
inline int WorkerCount(const Context&) { return 1; }

template <class F>
void ParallelTasks(const Context&, int tasks, const F& f) {
  for (int task = 0; task < tasks; ++task) f(task, 0);
}

}  // namespace CREMA_TARGET
}  // namespace crema
