// crema version: what a bug report should state.
#include <algorithm>
#include <iostream>

#include "base/libraries.h"
#include "base/strings.h"
#include "commands/command.h"
#include "crema/dev/registry.h"

namespace crema {

const char* Version() { return CREMA_VERSION; }

int RunVersion(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments);
  std::cout << "crema " << Version() << "\ncompiler: " << CREMA_COMPILER
            << "\nengines on the CPU: " << Join(EngineNames(DeviceKind::kCpu)) << "\n";
  const std::vector<Library> libraries = Libraries();
  for (const Library& library : libraries) {
    std::cout << library.name << ": " << library.version << "\n";
  }
  const bool has_cuda = std::any_of(libraries.begin(), libraries.end(),
                                    [](const Library& each) { return each.name == "CUDA"; });
  if (!has_cuda) std::cout << "CUDA: not in this build\n";
  std::cout << std::flush;
  return 0;
}

}  // namespace crema
