// The table of what happened to the weights of a file.
#include "crema/net/weights_report.h"

#include "crema/base/error.h"

namespace crema {

std::string WeightsReport::ToString() const {
  const auto rows = [](const char* verdict, const std::vector<std::string>& layers,
                       const char* why) {
    std::string text;
    for (const std::string& layer : layers) text += Concat("\n  ", verdict, "  ", layer, why);
    return text;
  };
  return Concat("Weights: ", copied.size(), " layers copied, ", skipped.size(), " skipped, ",
                left_out.size(), " left out") +
         rows("copied  ", copied, "") + rows("skipped ", skipped, ": the net has no such layer") +
         rows("left out", left_out, ": not in the file, keeps its initial values");
}

}  // namespace crema
