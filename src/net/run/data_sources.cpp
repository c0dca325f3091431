// Positions in the sources of a net: reading them, and going there.
#include "net/run/data_sources.h"

#include <algorithm>

#include "crema/error.h"

namespace crema {

// How many records one forward pass of all ranks takes for a layer that reads a source.
uint64_t DataSources::RecordsOfPass(const LayerNode& node) const {
  return ranks_ * static_cast<uint64_t>(graph_.blobs[node.tops[0]].shape[0]);
}

void DataSources::CheckShared() const {
  for (const LayerNode& node : graph_.layers) {
    const Layer& layer = *node.layer;
    if (ranks_ == 1 || !layer.position().has_value() || layer.shares_source()) continue;
    Fail(InLayer(layer.name(), layer.type()), ": would give all ", ranks_,
         " ranks the same records; use a layer that can share its source, or train alone");
  }
}

DataSources::Positions DataSources::PositionsBefore(uint64_t passes) const {
  Positions positions;
  for (const LayerNode& node : graph_.layers) {
    const std::optional<uint64_t> position = node.layer->position();
    if (!position.has_value()) continue;
    positions.emplace_back(node.layer->name(), *position - passes * RecordsOfPass(node));
  }
  return positions;
}

void DataSources::Seek(const Positions& positions) const {
  Positions left = positions;
  for (const LayerNode& node : graph_.layers) {
    const auto it = std::find_if(left.begin(), left.end(), [&](const auto& entry) {
      return entry.first == node.layer->name() && node.layer->position().has_value();
    });
    if (it == left.end()) continue;
    node.layer->Seek(it->second);
    left.erase(it);
  }
}

void DataSources::SeekPasses(uint64_t passes) const {
  for (const LayerNode& node : graph_.layers) {
    if (node.layer->position().has_value()) node.layer->Seek(passes * RecordsOfPass(node));
  }
}

std::optional<double> DataSources::WaitedSeconds() const {
  std::optional<double> total;
  for (const LayerNode& node : graph_.layers) {
    const std::optional<double> waited = node.layer->waited_seconds();
    if (waited.has_value()) total = total.value_or(0) + *waited;
  }
  return total;
}

}  // namespace crema
