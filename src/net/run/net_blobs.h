// The blobs of a net that runs, and their memory.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crema/blob.h"
#include "crema/dev/graph.h"
#include "net/run/arena.h"
#include "net/run/lane_blobs.h"
#include "net/run/planned_memory.h"

namespace crema {

// Owns a Blob for each BlobNode of the graph and lets it see the memory that the plan has for it.
// The Blob objects stay at their addresses as long as this lives, for layers and users hold them;
// what they see changes. For one thread at a time; for lanes(), see there.
class NetBlobs : public ArenaUser {
 public:
  // `graph` must outlive this. There are no blobs before the first Adopt.
  NetBlobs(const Graph& graph, std::shared_ptr<Arena> arena, std::shared_ptr<Device> device);
  ~NetBlobs() override;
  NetBlobs(const NetBlobs&) = delete;
  NetBlobs& operator=(const NetBlobs&) = delete;

  // To work with the graph's present shapes and slices, in three steps, of which only the last one
  // moves the blobs. Prepare makes a plan and finds memory for what keeps its values; throws Error
  // if there is not enough, and changes nothing.
  PlannedMemory::Next Prepare() { return memory_.Prepare(device_); }
  // Makes the arena large enough. If it has to grow, blobs in it are empty until Adopt or Restore.
  // Throws Error if there is not enough memory.
  void ReserveArena(const PlannedMemory::Next& next) {
    arena_->Reserve(next.plan.memory.arena, this);
  }
  // Needs no more memory. What the blobs held is lost; those that keep their values are zeros.
  void Adopt(PlannedMemory::Next next);
  // The graph has had other shapes for a while, which came to nothing, and has those of the present
  // plan again: sees the old memory again, also if the arena has changed meanwhile.
  void Restore();
  // The graph has other shapes, for which the present plan has memory enough.
  void UpdateShapes();

  // Before a pass: makes sure that there is an arena. Throws Error if there is no memory for it.
  void UseArena();

  // By the index in the graph; in range.
  Blob& blob(int i) const { return *blobs_[i]; }
  // The index of the blob of that name, -1 if there is none: the last of several, which layers in
  // place made, but of an Input layer's top the input itself, for users to fill.
  int IndexOf(const std::string& name) const;
  // The blob of that name; null also if it has no memory, because layers were fused.
  Blob* Find(const std::string& name) const;
  // What layers of whole batches work with, by their index in the graph.
  const BlobList& bottoms(int layer) const { return bottoms_[layer]; }
  const BlobList& tops(int layer) const { return tops_[layer]; }
  // The same for layers that take a part of the batch at a time.
  LaneBlobs& lanes() { return lanes_; }

  const std::shared_ptr<Arena>& arena() const { return arena_; }
  const PlannedMemory& memory() const { return memory_; }

  // For the arena alone.
  size_t ArenaBytes() const override { return memory_.plan().memory.arena; }
  void ReleaseArena() override;
  void BindArena() override;

 private:
  void Connect();
  BlobList ListOf(const std::vector<int>& indices) const;

  const Graph& graph_;
  std::shared_ptr<Arena> arena_;
  std::shared_ptr<Device> device_;
  std::map<std::string, int> names_;
  PlannedMemory memory_;
  std::vector<std::unique_ptr<Blob>> blobs_;
  std::vector<BlobList> bottoms_, tops_;  // by layer
  LaneBlobs lanes_;
};

}  // namespace crema
