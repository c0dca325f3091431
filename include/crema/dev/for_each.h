// Element-wise work, written once for every device.
//
//   ForEach(ctx, rows, cols, [=] HD (int64_t r, int c) { y[r * cols + c] = ...; });
//   ForEach(ctx, count, [=] HD (int64_t i) { ... });
//
// The lambda is called once for every element, in any order and possibly at the same time, so an
// element must not touch what another one writes. It captures by value, and only numbers and
// device addresses: never `this`, a host pointer or a reference. It stands in a free function
// template (nvcc does not take it in constructors, private members or generic lambdas). The two-
// dimensional form is the faster one wherever an index would have to be split with / and %.
// On a GPU the call returns before the work is done.
//
//   ParallelTasks(ctx, n, [&](int task, int worker) {...});
//
// runs host code for n independent tasks, on several threads where the device is the CPU; worker
// is below WorkerCount(ctx) and no two tasks run with the same one at the same time. ForEach and
// Gemm may be called inside. A task must not throw. It has returned when ParallelTasks does.
#pragma once

#include "target/for_each.h"
