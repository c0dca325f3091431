// A net's memory: what the plan says, made real, and lent to the layers.
#include <algorithm>

#include "crema/layer/fusible.h"
#include "crema/net/net.h"
#include "net/passes.h"

namespace crema {
namespace {

// At least `bytes`: `old` where it is large enough.
std::shared_ptr<Buffer> AtLeast(size_t bytes, const std::shared_ptr<Device>& device,
                                std::shared_ptr<Buffer> old) {
  if (old != nullptr && old->bytes() >= bytes) return old;
  old.reset();
  return std::make_shared<Buffer>(device, bytes);
}

// Bytes that make a NaN of any floating-point type.
void FillWithNan(Device& device, void* memory, size_t bytes) {
  const std::vector<unsigned char> nan(bytes, 0xFF);
  device.CopyIn(memory, nan.data(), bytes);
}

}  // namespace

void Net::PlaceBlobs() {
  plan_ = std::make_unique<MemoryPlan>(PlanMemory(graph_));
  const auto& device = context_->shared_device();
  kept_ = AtLeast(plan_->memory.kept, device, std::move(kept_));
  device->Zero(kept_->memory(), kept_->bytes());
  arena_memory_.reset();
  arena_->buffer = AtLeast(plan_->memory.arena, device, std::move(arena_->buffer));
  arena_memory_ = arena_->buffer;
  ViewBlobs();
  CountMemory();
}

// What is there, which may be more than the plan asks for.
void Net::CountMemory() {
  memory_.data = plan_->memory.data;
  memory_.gradients = plan_->memory.gradients;
  memory_.scratch = plan_->memory.scratch;
  memory_.kept = kept_->bytes();
  memory_.arena = arena_memory_->bytes();
}

// Another net may have needed a larger arena since the last pass.
void Net::FollowArena() {
  if (check_memory_) {
    FillWithNan(context_->device(), arena_->buffer->memory(), arena_->buffer->bytes());
  }
  if (arena_memory_ == arena_->buffer) return;
  arena_memory_ = arena_->buffer;
  ViewBlobs();
  BindLayers();
}

Tensor Net::View(const Place& place, const BlobNode& blob) const {
  if (place.offset < 0) return {};
  return Tensor(place.kept ? kept_ : arena_memory_, static_cast<size_t>(place.offset), graph_.dtype,
                blob.shape, blob.layout);
}

// Blob objects stay where they are: layers and users hold their addresses.
void Net::ViewBlobs() {
  blobs_.resize(graph_.blobs.size());
  for (size_t i = 0; i < blobs_.size(); ++i) {
    const BlobNode& node = graph_.blobs[i];
    if (blobs_[i] == nullptr) blobs_[i] = std::make_unique<Blob>();
    *blobs_[i] = Blob(node.name, View(plan_->data[i], node), View(plan_->diff[i], node));
  }
}

// Layers that take a part of the images at a time see the whole blobs through others, and run in
// turn for each part.
void Net::ConnectLayers() {
  bottoms_.clear();
  tops_.clear();
  layer_runs_.clear();
  parts_.clear();
  parts_.resize(graph_.slices.size());
  for (const LayerNode& node : graph_.layers) {
    bottoms_.push_back(Blobs(node.bottoms));
    tops_.push_back(Blobs(node.tops));
  }
  const auto run = [&](size_t first, size_t last, int part) {
    for (size_t l = first; l < last; ++l) layer_runs_.push_back({static_cast<int>(l), part});
  };
  size_t next = 0;
  for (size_t s = 0; s < graph_.slices.size(); ++s) {
    const Slices& slices = graph_.slices[s];
    for (int blob : slices.whole) {
      Blob* const part = (parts_[s][blob] = std::make_unique<Blob>()).get();
      for (size_t l = slices.first; l < slices.last; ++l) {
        std::replace(bottoms_[l].begin(), bottoms_[l].end(), blobs_[blob].get(), part);
        std::replace(tops_[l].begin(), tops_[l].end(), blobs_[blob].get(), part);
      }
    }
    run(next, slices.first, 0);
    for (int part = 0; part < slices.count; ++part) run(slices.first, slices.last, part);
    next = slices.last;
  }
  run(next, graph_.layers.size(), 0);
}

// Before layer `layer` runs for this part of the images.
void Net::ShowPart(int layer, int part) {
  for (size_t s = 0; s < graph_.slices.size(); ++s) {
    const Slices& slices = graph_.slices[s];
    if (slices.first != static_cast<size_t>(layer)) continue;
    for (const auto& [index, blob] : parts_[s]) {
      BlobNode node = graph_.blobs[index];
      node.shape = PartShape(node.shape, slices.count);
      Place place = plan_->data[index];
      place.offset += part * node.shape.count() * static_cast<int64_t>(SizeOf(graph_.dtype));
      *blob = Blob(node.name, View(place, node));
    }
  }
}

// What a layer keeps is kept where its shape stays; zeros otherwise.
std::vector<Tensor> Net::StateOf(int layer) {
  const auto& device = context_->shared_device();
  std::vector<Tensor> old = std::move(states_[layer]);
  std::vector<Tensor> state;
  for (const LayerPlan::State& wanted : graph_.layers[layer].plan.state) {
    const DType dtype = wanted.dtype.value_or(graph_.dtype);
    const size_t i = state.size();
    const size_t bytes = static_cast<size_t>(wanted.shape.count()) * SizeOf(dtype);
    const bool fits =
        i < old.size() && old[i].dtype() == dtype && old[i].buffer()->bytes() >= bytes;
    state.push_back(fits ? Tensor(old[i].buffer(), 0, dtype, wanted.shape)
                         : Tensor(device, dtype, wanted.shape));
    if (!fits || old[i].shape() != wanted.shape) device->Zero(state[i].raw(), bytes);
  }
  return state;
}

void Net::BindLayers() {
  memory_.state = 0;
  for (size_t l = 0; l < graph_.layers.size(); ++l) {
    const LayerNode& node = graph_.layers[l];
    BlobList params;
    std::vector<bool> wants;
    for (int p : node.params) {
      params.push_back(params_[p].get());
      wants.push_back(graph_.params[p].wants_gradient && params_[p]->has_diff());
    }
    states_[l] = StateOf(static_cast<int>(l));
    for (const Tensor& state : states_[l]) memory_.state += state.buffer()->bytes();
    node.layer->Bind(params, states_[l], wants);
    if (node.absorbed_by < 0) continue;
    Layer* host = graph_.layers[node.absorbed_by].layer.get();
    dynamic_cast<Fusible&>(*host).BindFollower(*node.layer, params, wants);
  }
}

// A layer's scratch memory for its next step. Where a batch has become smaller than planned, the
// layer may ask for more than its place has, and then gets other memory.
void Net::LendScratch(const Place& place) {
  char* const arena = static_cast<char*>(arena_memory_->memory());
  context_->LendScratch(arena + std::max<int64_t>(place.offset, 0),
                        static_cast<size_t>(place.bytes));
}

// Ends the lives that end with this step.
void Net::LeaveStep(int step) {
  if (!check_memory_) return;
  for (const MemoryPiece& piece : plan_->pieces) {
    if (!piece.life.EndsWith(step) && !piece.again.EndsWith(step)) continue;
    char* memory = static_cast<char*>(arena_memory_->memory()) + piece.offset;
    FillWithNan(context_->device(), memory, static_cast<size_t>(piece.bytes));
  }
}

}  // namespace crema
