// Sums and maxima, written once for every device.
//
//   ReduceRows<SumOp, T>(ctx, rows, cols, [=] HD (int64_t r, int c) { return T(...); },
//                        [=] HD (int64_t r, T total) { out[r] = total; });
//   ReduceChannels<SumOp, T>(ctx, view, [=] HD (int64_t o, int c, int i) { return T(...); },
//                            [=] HD (int c, T total) { out[c] = total; });
//
// The first lambda gives the elements, the second takes each result once. A T of Pair<double> sums
// two numbers in one pass. The order of the
// additions depends on the sizes alone, never on the number of threads. An empty range gives the
// identity (0, or the lowest value). The rules for lambdas are those of ForEach.
#pragma once

#include "crema/dev/pair.h"
#include "target/reduce.h"
