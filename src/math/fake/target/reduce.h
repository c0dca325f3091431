// Reductions on the fake GPU: elements in shuffled order, results too.
#pragma once

#include "crema/dev/pair.h"
#include "crema/dev/reduce_ops.h"
#include "crema/layout.h"
#include "target/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {

// For each of `groups` results: the reduction of get(group, 0) .. get(group, count - 1).
template <class Op, class T, class Get, class Store>
void ReduceShuffled(int64_t groups, int64_t count, const Get& get, const Store& store) {
  LaunchOrder group_order(groups);
  const LaunchOrder element_order(count);
  for (int64_t n = groups; n > 0; --n) {
    const int64_t group = group_order.Next();
    LaunchOrder order = element_order;
    T total = Op::template Identity<T>();
    for (int64_t m = count; m > 0; --m) {
      total = Op::Combine(total, static_cast<T>(get(group, order.Next())));
    }
    store(group, total);
  }
}

template <class Op, class T, class F, class Store>
void ReduceRows(const Context& ctx, int64_t rows, int cols, F f, Store store) {
  if (rows <= 0) return;
  CheckFakeCaptures(ctx.device(), f);
  CheckFakeCaptures(ctx.device(), store);
  LaunchOnFake(ctx.device(), [=] {
    ReduceShuffled<Op, T>(
        rows, cols, [&](int64_t r, int64_t c) { return f(r, static_cast<int>(c)); }, store);
  });
}

template <class Op, class T, class F, class Store>
void ReduceChannels(const Context& ctx, const ChannelView& view, F f, Store store) {
  if (view.channels <= 0) return;
  CheckFakeCaptures(ctx.device(), f);
  CheckFakeCaptures(ctx.device(), store);
  LaunchOnFake(ctx.device(), [=] {
    ReduceShuffled<Op, T>(
        view.channels, view.outer * view.inner,
        [&](int64_t c, int64_t i) {
          return f(i / view.inner, static_cast<int>(c), static_cast<int>(i % view.inner));
        },
        [&](int64_t c, T total) { store(static_cast<int>(c), total); });
  });
}

}  // namespace CREMA_TARGET
}  // namespace crema
