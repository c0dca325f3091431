// How far the layers of a net that read records from a source have come.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crema/dev/graph.h"

namespace crema {

// A view of the graph's layers that have a Layer::position(), in the graph's order. Records are
// counted from the start of each source, those of all ranks together. For the thread that runs the
// net.
class DataSources {
 public:
  // By layer name; several layers may have one name.
  using Positions = std::vector<std::pair<std::string, uint64_t>>;

  // `graph` must outlive this. `ranks`: how many nets share the sources (Rank::count).
  explicit DataSources(const Graph& graph, int ranks = 1)
      : graph_(graph), ranks_(static_cast<uint64_t>(ranks)) {}

  // Throws Error if a layer would give all ranks the same records (Layer::shares_source).
  void CheckShared() const;
  // How many records each has given out, as of `passes` forward passes ago.
  Positions PositionsBefore(uint64_t passes) const;
  // Goes on from there. Layers of one name take theirs in order; those that are not named stay
  // where they are.
  void Seek(const Positions& positions) const;
  // Goes to where each is after `passes` forward passes from the start.
  void SeekPasses(uint64_t passes) const;
  // How long all have been waited for; none if no layer reads ahead.
  std::optional<double> WaitedSeconds() const;

 private:
  uint64_t RecordsOfPass(const LayerNode& node) const;

  const Graph& graph_;
  uint64_t ranks_;
};

}  // namespace crema
