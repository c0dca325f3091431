#include "solvers/update_rule.h"

#include <map>

#include "base/strings.h"
#include "crema/error.h"
#include "solvers/solver_error.h"

namespace crema {
namespace {

using Registry = std::map<DeviceKind, std::map<std::string, UpdateRuleFactory>>;

Registry& TheRegistry() {
  static Registry registry;
  return registry;
}

}  // namespace

void RegisterUpdateRule(const std::string& type, DeviceKind device, UpdateRuleFactory factory) {
  CREMA_CHECK(TheRegistry()[device].emplace(type, std::move(factory)).second, type,
              " is registered twice");
}

std::unique_ptr<UpdateRule> CreateUpdateRule(const std::string& type, DeviceKind device) {
  static const std::map<std::string, UpdateRuleFactory> none;
  const auto found = TheRegistry().find(device);  // it only looks: threads may do so at once
  const auto& rules = found == TheRegistry().end() ? none : found->second;
  const auto it = rules.find(type);
  if (it != rules.end()) return it->second();
  std::vector<std::string> types;
  for (const auto& entry : rules) types.push_back(entry.first);
  const std::string near = Nearest(type, types);
  FailInSolver("unknown type '", type, "'; ",
               near.empty() ? "the types are " + Join(types) : "did you mean '" + near + "'?");
}

}  // namespace crema
