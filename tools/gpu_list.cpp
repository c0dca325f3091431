#include "gpu_list.h"

#include <algorithm>
#include <cctype>

#include "base/strings.h"
#include "commands/command.h"
#include "crema/error.h"

namespace crema {
namespace {

// -1: it is none.
int ParseNumber(const std::string& text) {
  const bool is_number =
      !text.empty() && text.size() <= 6 &&
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  return is_number ? std::stoi(text) : -1;
}

}  // namespace

std::vector<int> ParseGpus(const std::string& text, int count, const std::string& why_none) {
  std::vector<int> gpus;
  if (text == "all") {
    for (int gpu = 0; gpu < count; ++gpu) gpus.push_back(gpu);
    if (gpus.empty()) {
      Fail("--gpu=all: there is no GPU (", why_none, "); without --gpu, crema runs on the CPU");
    }
    return gpus;
  }
  for (const std::string& word : SplitList(text)) {
    const int gpu = ParseNumber(word);
    if (gpu < 0) throw UsageError("--gpu=" + text + ": must be a GPU's number, or all");
    gpus.push_back(gpu);
  }
  if (gpus.empty()) throw UsageError("--gpu=" + text + ": must be a GPU's number, or all");
  return gpus;
}

}  // namespace crema
