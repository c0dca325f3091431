// The table of what happened to the weights of a file.
#include "crema/weights_report.h"

#include "base/counted.h"
#include "base/printable.h"
#include "crema/error.h"

namespace crema {

std::string WeightsReport::ToString() const {
  const auto rows = [](const char* verdict, const std::vector<std::string>& layers,
                       const char* why) {
    std::string text;
    for (const std::string& layer : layers) {
      text += Concat("\n  ", verdict, "  ", Printable(layer, kWholeText), why);
    }
    return text;
  };
  return Concat("Weights: ", Counted(copied.size(), "layer"), " copied, ",
                Counted(skipped.size(), "layer"), " of the file not in the net, ",
                Counted(left_out.size(), "layer"), " of the net not in the file") +
         rows("copied     ", copied, "") +
         rows("not in net ", skipped, ": the net has no layer of this name, so it is ignored") +
         rows("not in file", left_out, ": it keeps its initial values");
}

}  // namespace crema
