// A net's memory: what the plan says, made real, and lent to the layers.
#include <algorithm>

#include "crema/layer/fusible.h"
#include "crema/net/net.h"
#include "net/passes.h"

namespace crema {

void FillWithNan(Device& device, void* memory, size_t bytes) {
  const std::vector<unsigned char> nan(bytes, 0xFF);
  device.CopyIn(memory, nan.data(), bytes);
}

namespace {

// Ends the lives that end with this step, of pieces that are counted from `base` on.
void EndLives(const std::vector<MemoryPiece>& pieces, int step, void* base, Device* device) {
  for (const MemoryPiece& piece : pieces) {
    if (!piece.life.EndsWith(step) && !piece.again.EndsWith(step)) continue;
    FillWithNan(*device, static_cast<char*>(base) + piece.offset, static_cast<size_t>(piece.bytes));
  }
}

}  // namespace

// Throws Error where there is no memory; the net can then be used as before. What must not be lost
// in that case has its old memory and the new one at once; the arena, by far the largest part, has
// not.
Net::Room Net::FindRoom() {
  Room room;
  room.plan = std::make_unique<MemoryPlan>(PlanMemory(graph_));
  const bool fits = kept_ != nullptr && kept_->bytes() >= room.plan->memory.kept;
  room.kept =
      fits ? kept_ : std::make_shared<Buffer>(context_->shared_device(), room.plan->memory.kept);
  if (!StatesFit()) room.states = PoolStates();
  GrowArena(room.plan->memory.arena);
  return room;
}

void Net::MoveIn(Room room) {
  plan_ = std::move(room.plan);
  kept_ = std::move(room.kept);
  context_->device().Zero(kept_->memory(), kept_->bytes());
  if (room.states.has_value()) states_ = std::move(*room.states);
  arena_memory_ = arena_use_.arena->buffer;
  ViewBlobs();
  CountMemory();
  ConnectLayers();
  BindLayers();
}

Net::ArenaUse::~ArenaUse() {
  if (arena == nullptr) return;
  std::vector<Net*>& users = arena->users;
  users.erase(std::remove(users.begin(), users.end(), net), users.end());
}

// To at least `bytes`. Its content counts for nothing between passes, so all nets leave the old
// memory before they get the new one, or, if there is none, the old size again.
void Net::GrowArena(size_t bytes) {
  Arena& arena = *arena_use_.arena;
  const size_t before = arena.buffer == nullptr ? 0 : arena.buffer->bytes();
  if (arena.buffer != nullptr && before >= bytes) return;
  for (Net* net : arena.users) {
    net->LeaveArena();
    if (net != this) bytes = std::max(bytes, net->plan_->memory.arena);
  }
  arena.buffer.reset();
  const auto get = [&](size_t size) {
    arena.buffer = std::make_shared<Buffer>(context_->shared_device(), size);
    for (Net* net : arena.users) {
      if (net != this) net->FollowArena();
    }
  };
  try {
    get(bytes);
  } catch (...) {
    try {
      if (before > 0) get(before);
    } catch (...) {  // each net then asks again before its next pass
    }
    throw;
  }
}

// The blobs that are kept stay; the others are empty until FollowArena.
void Net::LeaveArena() {
  arena_memory_.reset();
  const auto kept = [](const Place& place, const Tensor& view) {
    return place.kept ? view : Tensor();
  };
  for (size_t i = 0; i < blobs_.size(); ++i) {
    Blob& blob = *blobs_[i];
    blob = Blob(blob.name(), kept(plan_->data[i], blob.data_tensor()),
                kept(plan_->diff[i], blob.diff_tensor()));
  }
  for (Lane& lane : lanes_) {
    for (auto& blobs : lane.blobs) {
      for (auto& blob : blobs) *blob.second = Blob();
    }
  }
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
  const Arena& arena = *arena_use_.arena;
  if (arena.buffer == nullptr) GrowArena(plan_->memory.arena);
  if (arena_memory_ == arena.buffer) return;
  arena_memory_ = arena.buffer;
  ViewBlobs();
  ViewLanes();
  BindLayers();
}

Tensor Net::View(const Place& place, const BlobNode& blob) const {
  const bool is_there = place.offset >= 0 && (place.kept || arena_memory_ != nullptr);
  if (!is_there) return {};
  return Tensor(place.kept ? kept_ : arena_memory_, static_cast<size_t>(place.offset), blob.dtype,
                blob.shape, blob.layout);
}

// Blob objects stay where they are: layers and users hold their addresses.
void Net::ViewBlobs() {
  blobs_.resize(graph_.blobs.size());
  for (size_t i = 0; i < blobs_.size(); ++i) {
    const BlobNode& node = graph_.blobs[i];
    if (blobs_[i] == nullptr) blobs_[i] = std::make_unique<Blob>();
    Place data = plan_->data[i];
    if (node.is_part && data.offset >= 0) {
      data.offset += LaneBase(static_cast<size_t>(SlicesOf(graph_, node.producer)), 0);
    }
    *blobs_[i] = Blob(node.name, View(data, node), View(plan_->diff[i], node));
  }
}

void Net::ConnectLayers() {
  bottoms_.clear();
  tops_.clear();
  for (const LayerNode& node : graph_.layers) {
    bottoms_.push_back(Blobs(node.bottoms));
    tops_.push_back(Blobs(node.tops));
  }
  MakeLanes();
  ViewLanes();
}

void Net::MakeLanes() {
  lanes_.clear();
  for (size_t s = 0; s < graph_.slices.size(); ++s) {
    const auto count = static_cast<size_t>(graph_.slices[s].lanes);
    while (lanes_.size() < count) {
      Lane& lane = lanes_.emplace_back();
      lane.context = std::make_unique<Context>(context_->shared_device(), seed_);
      lane.blobs.resize(graph_.slices.size());
      lane.bottoms.resize(graph_.layers.size());
      lane.tops.resize(graph_.layers.size());
    }
    for (size_t i = 0; i < count; ++i) ConnectLane(s, &lanes_[i]);
  }
}

// Layers that take a part of the images at a time see all blobs through those of a lane.
void Net::ConnectLane(size_t slices, Lane* lane) {
  const auto list = [&](const std::vector<int>& indices) {
    BlobList blobs;
    for (int index : indices) {
      std::unique_ptr<Blob>& blob = lane->blobs[slices][index];
      if (blob == nullptr) blob = std::make_unique<Blob>();
      blobs.push_back(blob.get());
    }
    return blobs;
  };
  for (size_t l = graph_.slices[slices].first; l < graph_.slices[slices].last; ++l) {
    lane->bottoms[l] = list(graph_.layers[l].bottoms);
    lane->tops[l] = list(graph_.layers[l].tops);
  }
}

// From the start of the arena.
int64_t Net::LaneBase(size_t slices, size_t lane) const {
  const LaneMemory& memory = plan_->lanes[slices];
  return memory.place.offset + static_cast<int64_t>(lane) * memory.bytes;
}

// What lies between the layers of slices.
void Net::ViewLanes() {
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    for (size_t s = 0; s < graph_.slices.size(); ++s) {
      for (const auto& [index, blob] : lanes_[lane].blobs[s]) {
        const BlobNode& node = graph_.blobs[index];
        if (!node.is_part || plan_->data[index].offset < 0) continue;
        Place place = plan_->data[index];
        place.offset += LaneBase(s, lane);
        *blob = Blob(node.name, View(place, node));
      }
    }
  }
}

// Before the lane runs for this part of the images.
void Net::ShowPart(size_t slices, int part, size_t lane) {
  const int parts = graph_.slices[slices].count;
  for (int index : graph_.slices[slices].whole) {
    BlobNode node = graph_.blobs[index];
    node.shape = PartShape(node.shape, parts);
    Place place = plan_->data[index];
    place.offset += part * BytesOf(node);
    *lanes_[lane].blobs[slices].at(index) = Blob(node.name, View(place, node));
  }
}

bool Net::StatesFit() const {
  if (states_.size() != graph_.layers.size()) return false;
  for (size_t l = 0; l < states_.size(); ++l) {
    const std::vector<TensorSpec>& wanted = graph_.layers[l].plan.state;
    if (states_[l].size() != wanted.size()) return false;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const DType dtype = wanted[i].dtype.value_or(graph_.dtype);
      const auto bytes = static_cast<size_t>(AlignedBytes(wanted[i].shape, dtype));
      if (states_[l][i].tensor.dtype() != dtype || states_[l][i].room < bytes) return false;
    }
  }
  return true;
}

// All states lie in one block, which may get large pages. It is zeros but for what keeps its shape.
Net::States Net::PoolStates() const {
  const States& old = states_;
  States states(graph_.layers.size());
  size_t bytes = 0;
  for (size_t l = 0; l < states.size(); ++l) {
    for (const TensorSpec& wanted : graph_.layers[l].plan.state) {
      const DType dtype = wanted.dtype.value_or(graph_.dtype);
      const auto room = static_cast<size_t>(AlignedBytes(wanted.shape, dtype));
      states[l].push_back({{}, bytes, room});
      bytes += room;
    }
  }
  Device& device = context_->device();
  const auto pool = std::make_shared<Buffer>(context_->shared_device(), bytes);
  device.Zero(pool->memory(), bytes);
  for (size_t l = 0; l < states.size(); ++l) {
    for (size_t i = 0; i < states[l].size(); ++i) {
      const TensorSpec& wanted = graph_.layers[l].plan.state[i];
      Tensor& tensor = states[l][i].tensor;
      tensor = Tensor(pool, states[l][i].offset, wanted.dtype.value_or(graph_.dtype), wanted.shape);
      if (l >= old.size() || i >= old[l].size()) continue;
      const Tensor& before = old[l][i].tensor;
      const bool same = before.dtype() == tensor.dtype() && before.shape() == tensor.shape();
      if (same) device.Copy(tensor.raw(), before.raw(), tensor.bytes());
    }
  }
  return states;
}

// What a layer keeps is kept where its shape stays; zeros otherwise.
std::vector<Tensor> Net::StateOf(int layer) {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < states_[layer].size(); ++i) {
    State& state = states_[layer][i];
    const Shape& wanted = graph_.layers[layer].plan.state[i].shape;
    if (state.tensor.shape() != wanted) {
      state.tensor = Tensor(state.tensor.buffer(), state.offset, state.tensor.dtype(), wanted);
      context_->device().Zero(state.tensor.raw(), state.tensor.bytes());
    }
    tensors.push_back(state.tensor);
  }
  return tensors;
}

void Net::BindLayers() {
  if (!StatesFit()) states_ = PoolStates();
  memory_.state = 0;
  for (size_t l = 0; l < graph_.layers.size(); ++l) {
    const LayerNode& node = graph_.layers[l];
    BlobList params;
    std::vector<bool> wants;
    for (int p : node.params) {
      params.push_back(params_[p].get());
      wants.push_back(graph_.params[p].wants_gradient && params_[p]->has_diff());
    }
    node.layer->Bind(params, StateOf(static_cast<int>(l)), wants);
    for (const State& state : states_[l]) memory_.state += state.room;
    if (node.absorbed_by < 0) continue;
    Layer* host = graph_.layers[node.absorbed_by].layer.get();
    dynamic_cast<Fusible&>(*host).BindFollower(*node.layer, params, wants);
  }
}

// A layer's scratch memory for its next step. Where a batch has become smaller than planned, the
// layer may ask for more than its place has, and then gets other memory. The place counts from byte
// `base` of the arena on.
void Net::LendScratch(const Place& place, Context* context, int64_t base) {
  char* const arena = static_cast<char*>(arena_memory_->memory());
  context->LendScratch(arena + base + std::max<int64_t>(place.offset, 0),
                       static_cast<size_t>(place.bytes));
}

void Net::LeaveStep(int step) {
  if (!check_memory_) return;
  EndLives(plan_->pieces, step, arena_memory_->memory(), &context_->device());
}

void Net::LeaveLaneStep(size_t slices, size_t lane, int step) {
  if (!check_memory_) return;
  char* const base = static_cast<char*>(arena_memory_->memory()) + LaneBase(slices, lane);
  EndLives(plan_->lanes[slices].pieces, step, base, &context_->device());
}

}  // namespace crema
