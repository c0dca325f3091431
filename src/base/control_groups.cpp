#include "base/control_groups.h"

#include <sstream>

namespace crema {
namespace {

// Whether `list`, as in "cpu,cpuacct", has `name`.
bool HasController(const std::string& list, const std::string& name) {
  return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

// The folder of `group` and those above it, up to the mount.
void AddPath(const std::string& mount, std::string group, std::vector<std::string>* folders) {
  while (!group.empty() && group != "/") {
    folders->push_back(mount + group);
    group.resize(group.rfind('/'));
  }
  folders->push_back(mount);
}

}  // namespace

std::vector<std::string> ControlGroupFolders(const std::string& groups, const std::string& mount,
                                             const std::string& controller) {
  std::vector<std::string> folders;
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {  // "ID:CONTROLLERS:/PATH"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || line[second + 1] != '/') continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {  // version 2
      AddPath(mount, group, &folders);
      AddPath(mount + "/unified", group, &folders);
    } else if (HasController(controllers, controller)) {
      AddPath(mount + "/" + controllers, group, &folders);
      AddPath(mount + "/" + controller, group, &folders);
    }
  }
  return folders;
}

}  // namespace crema
