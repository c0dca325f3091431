// A net's text made into a graph, and what the graph would need, without any memory for it.
#pragma once

#include <cstddef>
#include <string>

#include "crema/dev/graph.h"

namespace crema {

namespace proto {
class NetParameter;
}

// What may be decided about a net beside its text.
struct CompileOptions {
  DType dtype = DType::kFloat32;
  // false: the net never runs Backward, and has no memory for gradients.
  bool backward = true;
  // Whether every blob keeps its values and its gradient to the end of a pass and longer, for those
  // who want to look at them. Otherwise the memory of most is given to others during the pass, and
  // only the net's inputs and outputs, and the gradients of the inputs, are there afterwards.
  bool keep_blobs = false;
  // Whether layers may take over the work of those that follow them. What lies between such layers
  // then has no memory.
  bool fuse = true;
  // In a net that only runs forward, on a CPU, layers take as many images at a time as need so many
  // bytes for each processor, about twice the cache that it has of its own: half of what a layer
  // works with was just written by the one before. Where there are enough images, each processor
  // takes its own. What lies between such layers has room for those images only. 0: layers take the
  // whole batch.
  size_t slice_bytes = 2 << 20;
  int processors = 0;  // to plan for; 0: those that this process may use
  // How many threads work on a layer on the CPU. 0: one per processor that this process may use, by
  // its affinity and the quota of its control group, or fewer if OMP_NUM_THREADS says so.
  int threads = 0;
  // What NetMemory::Total() may be at most: layers are recomputed until it is. 0: no limit. Throws
  // Error where that is not enough.
  size_t memory_limit = 0;
};

// In bytes.
struct NetMemory {
  size_t data = 0, gradients = 0;  // what the blobs would take if none gave its memory to another
  size_t scratch = 0;              // the most that a layer works with
  size_t arena = 0;                // what these share
  size_t kept = 0;                 // what keeps its values from pass to pass
  size_t params = 0, param_gradients = 0, state = 0;
  size_t host = 0;  // what layers keep by themselves (LayerPlan::host_bytes); 0 beside a GPU
  // What the net takes in all.
  size_t Total() const { return arena + kept + params + param_gradients + state + host; }
  // What it saves that memory is shared by what does not live at the same time.
  size_t Saved() const {
    const size_t separate = data + gradients + scratch;
    return separate > arena + kept ? separate - arena - kept : 0;
  }
};

// Chooses the layers by `config`'s state, creates them and infers all shapes. Throws Error where
// the net makes no sense.
Graph CompileNet(const proto::NetParameter& config, DeviceKind device,
                 const CompileOptions& options);

// What a net of this graph takes, where it shares parameters with no other.
NetMemory MemoryOf(const Graph& graph);

// The plan for people to read, several lines; `device` is its name.
std::string DescribePlan(const Graph& graph, const NetMemory& memory, const std::string& device);

}  // namespace crema
