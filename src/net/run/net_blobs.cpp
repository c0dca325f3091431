// Blobs that stay where they are while the memory behind them changes.
#include "net/run/net_blobs.h"

#include <utility>

namespace crema {
namespace {

std::map<std::string, int> NameBlobs(const Graph& graph) {
  std::map<std::string, int> names;
  for (const LayerNode& node : graph.layers) {
    for (int top : node.tops) {
      int& index = names.emplace(graph.blobs[top].name, top).first->second;
      const LayerNode& producer = graph.layers[graph.blobs[index].producer];
      if (!producer.traits.tops_take_any_shape) index = top;
    }
  }
  return names;
}

}  // namespace

NetBlobs::NetBlobs(const Graph& graph, std::shared_ptr<Arena> arena, std::shared_ptr<Device> device)
    : graph_(graph),
      arena_(std::move(arena)),
      device_(std::move(device)),
      names_(NameBlobs(graph)),
      memory_(graph),
      lanes_(graph, memory_) {
  arena_->Add(this);
}

NetBlobs::~NetBlobs() { arena_->Remove(this); }

void NetBlobs::Adopt(PlannedMemory::Next next) {
  memory_.Adopt(std::move(next));
  memory_.SetArena(arena_->buffer());
  blobs_.resize(graph_.blobs.size());
  for (std::unique_ptr<Blob>& blob : blobs_) {
    if (blob == nullptr) blob = std::make_unique<Blob>();
  }
  UpdateShapes();
  Connect();
}

void NetBlobs::Restore() {
  ReleaseArena();
  Connect();
  if (arena_->buffer() != nullptr) BindArena();  // otherwise UseArena will
}

void NetBlobs::UpdateShapes() {
  for (size_t i = 0; i < blobs_.size(); ++i) *blobs_[i] = memory_.WholeBlob(static_cast<int>(i));
}

void NetBlobs::UseArena() {
  if (arena_->buffer() == nullptr) arena_->Reserve(ArenaBytes(), this);
  if (memory_.arena() != arena_->buffer()) BindArena();
}

// What is kept stays as it is: while the arena grows, the graph may have shapes of another plan.
void NetBlobs::ReleaseArena() {
  memory_.SetArena(nullptr);
  const auto kept = [](const Place& place, const Tensor& view) {
    return place.kept ? view : Tensor();
  };
  for (size_t i = 0; i < blobs_.size(); ++i) {
    Blob& blob = *blobs_[i];
    blob = Blob(blob.name(), kept(memory_.plan().data[i], blob.data_tensor()),
                kept(memory_.plan().diff[i], blob.diff_tensor()));
  }
  lanes_.Release();
}

void NetBlobs::BindArena() {
  memory_.SetArena(arena_->buffer());
  UpdateShapes();
  lanes_.View();
}

int NetBlobs::IndexOf(const std::string& name) const {
  const auto it = names_.find(name);
  return it == names_.end() ? -1 : it->second;
}

Blob* NetBlobs::Find(const std::string& name) const {
  const int index = IndexOf(name);
  return index >= 0 && memory_.plan().data[index].offset >= 0 ? blobs_[index].get() : nullptr;
}

void NetBlobs::Connect() {
  bottoms_.clear();
  tops_.clear();
  for (const LayerNode& node : graph_.layers) {
    bottoms_.push_back(ListOf(node.bottoms));
    tops_.push_back(ListOf(node.tops));
  }
  lanes_.Connect();
  lanes_.View();
}

BlobList NetBlobs::ListOf(const std::vector<int>& indices) const {
  BlobList list;
  for (int index : indices) list.push_back(blobs_[index].get());
  return list;
}

}  // namespace crema
