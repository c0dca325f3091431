// Each shape is small enough for its size in bytes; this is for all of them together.
#include "net/passes.h"

namespace crema {

void CheckTotal(const Graph& graph) {
  // Beside itself, a blob has a gradient; scratch memory is there for each step and each lane.
  const double scratch_copies = 3.0 + graph.processors;
  double bytes = 0;
  for (const BlobNode& blob : graph.blobs) {
    bytes += 2 * static_cast<double>(AlignedBytes(blob));
  }
  for (const ParamNode& param : graph.params) {
    bytes += 2 * static_cast<double>(ParamBytes(param, graph.dtype));
  }
  for (const LayerNode& node : graph.layers) {
    bytes += scratch_copies * static_cast<double>(node.plan.scratch_bytes);
    bytes += static_cast<double>(node.plan.host_bytes);
    for (const TensorSpec& state : node.plan.state) {
      bytes += static_cast<double>(AlignedBytes(state, graph.dtype));
    }
  }
  constexpr double kMost = 4611686018427387904.0;  // half of what an int64_t holds
  if (bytes < kMost) return;
  Fail("the net '", graph.name, "' would need ", bytes,
       " bytes, more than any machine has; use smaller batches or layers");
}

}  // namespace crema
