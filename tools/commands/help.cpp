// crema help: the layers, and the pages of the manual.
#include <iomanip>
#include <iostream>

#include "commands/command.h"
#include "manual.h"

namespace crema {

void PrintLayerList() {
  const std::vector<ManualPage> pages = LayerPages();
  size_t width = 0;
  for (const ManualPage& page : pages) width = std::max(width, page.title.size());
  const std::pair<const char*, const char*> groups[] = {{"Data", "layers that make or take data"},
                                                        {"Losses", "losses and measures"},
                                                        {"Layers", "other layers"}};
  for (const auto& group : groups) {
    std::cout << "\n" << group.second << ":\n";
    for (const ManualPage& page : pages) {
      if (GroupOfLayer(page.title) != group.first) continue;
      std::cout << "  " << std::left << std::setw(static_cast<int>(width) + 2) << page.title
                << page.summary << "\n";
    }
  }
}

void PrintManual(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& commands) {
  const std::string to_folder = "--markdown=";
  if (arguments.size() != 1) throw UsageError("crema help takes one name (see crema help)");
  if (arguments[0].compare(0, to_folder.size(), to_folder) == 0) {
    WriteLayerPages(arguments[0].substr(to_folder.size()));
    return;
  }
  std::cout << ToText(FindManualPage(arguments[0], commands));
}

}  // namespace crema
