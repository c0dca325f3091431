// A compiled net in words. DescribePlan (crema/dev/compile.h) tells all; these tell what most
// people want to know.
#pragma once

#include <string>

#include "crema/dev/compile.h"

namespace crema {

// A row per layer: type, shape of the tops, learned parameters, multiply-adds, memory; then a row
// with their sums and what these count. Rows have at most `width` characters, or 76 if that is
// more.
std::string DescribeLayers(const Graph& graph, size_t width);

// A row per layer: the engine that runs it and the order of its memory; and below it what else is
// to be said, such as why another engine cannot, or what it was fused with.
std::string DescribeEngines(const Graph& graph, size_t width);

// A few lines: what the whole net has and takes. What is said of its memory adds up.
std::string DescribeTotals(const Graph& graph, const NetMemory& memory);

// The same in one line, for a log: "net 'small': 4 layers, ...". A net that shares the parameters
// and the arena of others says what it takes beside them; `their_arena` is how much there was
// before it came, 0 if it shares nothing.
std::string DescribeBriefly(const Graph& graph, const NetMemory& memory, size_t their_arena);

}  // namespace crema
