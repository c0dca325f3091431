// crema help: the layers, the pages of the manual, and what the build makes of it.
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "commands/command.h"
#include "completion.h"
#include "crema/error.h"
#include "layer_kinds.h"
#include "man_pages.h"
#include "manual.h"

namespace crema {
namespace {

void MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) Fail("cannot create the folder '", path, "': ", error.message());
}

// What the build makes of the manual. Returns false if the word asks for none of that.
bool MakeFromManual(const std::string& word) {
  const size_t equals = word.find('=');
  if (equals == std::string::npos) return false;
  const std::string option = word.substr(0, equals), value = word.substr(equals + 1);
  if (option == "--markdown") {
    MakeFolder(value);
    WriteLayerPages(value);
  } else if (option == "--man") {
    MakeFolder(value);
    WriteManPages(value);
  } else if (option == "--completion") {
    std::cout << CompletionFor(value);
  } else {
    return false;
  }
  return true;
}

}  // namespace

void PrintLayerList() {
  const std::vector<ManualPage> pages = LayerPages();
  size_t width = 0;
  for (const ManualPage& page : pages) width = std::max(width, page.title.size());
  for (const LayerKind& kind : LayerKinds()) {
    bool is_first = true;
    for (const ManualPage& page : pages) {
      if (&KindOfLayer(page.title) != &kind) continue;
      if (is_first) std::cout << "\n" << kind.summary << ":\n";
      is_first = false;
      std::cout << "  " << std::left << std::setw(static_cast<int>(width) + 2) << page.title
                << page.summary << "\n";
    }
  }
}

void PrintManual(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& commands) {
  if (arguments.size() != 1) throw UsageError("crema help takes one name (see crema help)");
  if (MakeFromManual(arguments[0])) return;
  std::cout << ToText(FindManualPage(arguments[0], commands));
}

}  // namespace crema
