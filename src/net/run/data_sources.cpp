// Positions in the sources of a net: reading them, and going there.
#include "net/run/data_sources.h"

#include <algorithm>

namespace crema {
namespace {

// How many records one forward pass takes for a layer that reads a source.
uint64_t RecordsOfPass(const Graph& graph, const LayerNode& node) {
  return static_cast<uint64_t>(graph.blobs[node.tops[0]].shape[0]);
}

}  // namespace

DataSources::Positions DataSources::PositionsBefore(uint64_t passes) const {
  Positions positions;
  for (const LayerNode& node : graph_.layers) {
    const std::optional<uint64_t> position = node.layer->position();
    if (!position.has_value()) continue;
    positions.emplace_back(node.layer->name(), *position - passes * RecordsOfPass(graph_, node));
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
    if (node.layer->position().has_value()) node.layer->Seek(passes * RecordsOfPass(graph_, node));
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
