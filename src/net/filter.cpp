// Which layers of a net belong to its phase, level and stages.
#include <algorithm>

#include "crema.pb.h"
#include "crema/error.h"
#include "net/passes.h"

namespace crema {
namespace {

bool Meets(const proto::NetState& state, const proto::NetStateRule& rule) {
  const auto has_stage = [&](const std::string& stage) {
    return std::find(state.stage().begin(), state.stage().end(), stage) != state.stage().end();
  };
  if (rule.has_phase() && rule.phase() != state.phase()) return false;
  if (rule.has_min_level() && state.level() < rule.min_level()) return false;
  if (rule.has_max_level() && state.level() > rule.max_level()) return false;
  return std::all_of(rule.stage().begin(), rule.stage().end(), has_stage) &&
         std::none_of(rule.not_stage().begin(), rule.not_stage().end(), has_stage);
}

bool Included(const proto::NetState& state, const proto::LayerParameter& layer) {
  if (layer.include_size() > 0 && layer.exclude_size() > 0) {
    Fail(InLayer(layer.name(), layer.type()),
         ": has both include and exclude rules; use only one kind");
  }
  const auto meets = [&](const proto::NetStateRule& rule) { return Meets(state, rule); };
  if (layer.include_size() == 0) {
    return std::none_of(layer.exclude().begin(), layer.exclude().end(), meets);
  }
  return std::any_of(layer.include().begin(), layer.include().end(), meets);
}

}  // namespace

proto::NetParameter FilterLayers(const proto::NetParameter& net) {
  proto::NetParameter kept = net;
  kept.clear_layer();
  for (const proto::LayerParameter& layer : net.layer()) {
    if (Included(net.state(), layer)) *kept.add_layer() = layer;
  }
  return kept;
}

}  // namespace crema
