// How parameters lie in a net's flat buffers.
#pragma once

#include <cstdint>

namespace crema {

// Every parameter begins at a multiple of this many elements, so that a block of so many belongs
// to one parameter alone, and a table with one entry a block tells its settings. What is left of
// a parameter's last block is zeros, and stays so.
constexpr int kParamBlock = 64;

}  // namespace crema
