// What --gpu says.
#pragma once

#include <string>
#include <vector>

namespace crema {

// "1", "0,2" or "all": the numbers of the GPUs; never empty. `count` is how many this machine has;
// where it has none, `why_none` says why. Throws UsageError for other words, and Error for "all" on
// a machine without a GPU.
std::vector<int> ParseGpus(const std::string& text, int count, const std::string& why_none);

}  // namespace crema
