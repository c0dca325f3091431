// Arithmetic on sizes from files, which may be too large.
#pragma once

#include <cstdint>
#include <string>

namespace crema {

// What a shape may have: more than any machine can address, and few enough for sums of sizes in
// bytes to fit in 63 bits.
constexpr int64_t kMostElements = int64_t{1} << 48;

// The product; Error if it does not fit in 63 bits. `what` begins the sentence, for example "layer
// 'conv1' (Convolution): the window's size".
int64_t CheckedProduct(int64_t a, int64_t b, const std::string& what);
// The same for the sum.
int64_t CheckedSum(int64_t a, int64_t b, const std::string& what);

// The same number; Error if an int does not hold it.
int CheckedInt(int64_t value, const std::string& what);

}  // namespace crema
