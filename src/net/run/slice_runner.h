// Runs the layers that take a part of the batch at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "crema/context.h"
#include "crema/dev/graph.h"
#include "crema/pass_observer.h"
#include "net/run/layer_caller.h"
#include "net/run/lifetime_check.h"
#include "net/run/net_blobs.h"

namespace crema {

// Runs slices (Graph::slices): their layers one after another for the first part of the batch, then
// for the next one. If there are several lanes, each thread takes a lane and, until none is left, a
// part. For one thread at a time, which waits for the others.
class SliceRunner {
 public:
  // All must outlive this. `threads` is how many work on a layer of one lane alone.
  SliceRunner(const Graph& graph, NetBlobs* blobs, const LayerCaller& caller,
              const LifetimeCheck& check, int threads)
      : graph_(graph), blobs_(*blobs), caller_(caller), check_(check), threads_(threads) {}

  // Makes a Context, on the device and with the seed of `like`, for each lane that the graph has
  // now; once they are there, they stay. Throws Error if there is no memory for it.
  void MakeContexts(const Context& like);
  // The number of the pass, for the random numbers of all lanes.
  void SetStep(uint64_t step);
  // All layers of the slices with this number, for the whole batch. Tells the observer of each
  // layer and part, from the thread that runs it.
  void Run(size_t slices, PassObserver* observer);

 private:
  void RunPart(size_t slices, int part, int lane, PassObserver* observer);

  const Graph& graph_;
  NetBlobs& blobs_;
  const LayerCaller& caller_;
  const LifetimeCheck& check_;
  int threads_;
  std::vector<std::unique_ptr<Context>> contexts_;  // by lane
};

}  // namespace crema
