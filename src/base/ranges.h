// Checks of numbers that users give.
#pragma once

#include <cstdint>
#include <string>

namespace crema {

// Throws Error unless least <= value <= most: "NAME is 0; it must be from 1 to 16". `advice`, if
// there is some, is a clause behind it.
void CheckRange(const std::string& name, int64_t value, int64_t least, int64_t most,
                const std::string& advice = "");

// The same for a number without a usable default: throws Error unless it is `given`, too.
void CheckGiven(const std::string& name, bool given, int64_t value, int64_t least, int64_t most,
                const std::string& advice = "");

}  // namespace crema
