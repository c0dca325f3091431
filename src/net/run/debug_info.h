// The log lines of `debug_info: true`, with Caffe's words.
#pragma once

#include "crema/dev/graph.h"
#include "crema/pass_observer.h"
#include "net/run/net_blobs.h"
#include "net/run/net_parameters.h"

namespace crema {

// Logs the mean magnitude of everything that a pass computes, layer by layer, and at its end the
// norms of all parameters. Each line waits for the device. Layers that take a part of the batch at
// a time, or whose work another layer does, are left out.
class DebugInfo : public PassObserver {
 public:
  // All must outlive this.
  DebugInfo(const Graph& graph, const NetBlobs& blobs, const NetParameters& parameters)
      : graph_(graph), blobs_(blobs), parameters_(parameters) {}

  // The inputs.
  void BeginForward() override;
  // The layer's tops and parameters.
  void AfterForward(int layer, int lane) override;
  // The gradients of its bottoms and parameters.
  void AfterBackward(int layer) override;
  // The norms of all parameters and of their gradients.
  void EndBackward() override;

 private:
  const Graph& graph_;
  const NetBlobs& blobs_;
  const NetParameters& parameters_;
};

}  // namespace crema
