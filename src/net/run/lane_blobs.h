// Blobs as the threads see them that each run layers for a part of the batch.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "crema/blob.h"
#include "crema/dev/graph.h"
#include "net/run/planned_memory.h"

namespace crema {

// Layers of slices (Graph::slices) get no whole blobs but those of their lane: what lies between
// the layers has memory of its own in each lane, and of a blob of all images they see one part.
// SelectPart may be called by several threads, one a lane; all else by one.
class LaneBlobs {
 public:
  // Both must outlive this.
  LaneBlobs(const Graph& graph, const PlannedMemory& memory) : graph_(graph), memory_(memory) {}

  // Makes blobs for the slices that the graph has now, in place of all earlier ones. They are empty
  // until View and SelectPart.
  void Connect();
  // Gives what lies between layers the memory that is planned for it.
  void View();
  // Makes all blobs empty.
  void Release();
  // Lets the lane see this part of the blobs of all images.
  void SelectPart(size_t slices, int part, size_t lane);

  // What a layer of slices works with in this lane. The lists stay until Connect.
  const BlobList& bottoms(size_t lane, size_t layer) const { return lanes_[lane].bottoms[layer]; }
  const BlobList& tops(size_t lane, size_t layer) const { return lanes_[lane].tops[layer]; }

 private:
  struct Lane {
    std::vector<std::map<int, std::unique_ptr<Blob>>> blobs;  // by slices and index of the blob
    std::vector<BlobList> bottoms, tops;                      // by layer
  };
  void ConnectLane(size_t slices, Lane* lane) const;

  const Graph& graph_;
  const PlannedMemory& memory_;
  std::vector<Lane> lanes_;
};

}  // namespace crema
