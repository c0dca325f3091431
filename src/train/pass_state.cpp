#include "train/pass_state.h"

#include <algorithm>

#include "crema/dev/carries_state.h"
#include "math/vector_ops.h"

namespace crema {

std::vector<Tensor> StatisticsIn(const Net& net, const Tensor& flat) {
  constexpr int64_t kGap = 1024;  // bytes; to copy more takes less time than to begin another copy
  std::vector<std::pair<int64_t, int64_t>> spans;  // begin and end, bytes
  const auto* base = static_cast<const char*>(net.flat_params().raw());
  for (size_t i = 0; i < net.graph().params.size(); ++i) {
    const ParamNode& node = net.graph().params[i];
    const Tensor& values = net.param(static_cast<int>(i)).data_tensor();
    const bool is_own = node.owner < 0 && values.buffer() == net.flat_params().buffer();
    if (node.decl.learned || !is_own) continue;
    const int64_t begin = static_cast<const char*>(values.raw()) - base;
    const int64_t end = begin + static_cast<int64_t>(values.bytes());
    if (spans.empty() || begin > spans.back().second + kGap) spans.emplace_back(begin, end);
    spans.back().second = end;
  }
  const auto size = static_cast<int64_t>(SizeOf(flat.dtype()));
  std::vector<Tensor> views;
  for (const auto& [begin, end] : spans) {
    views.emplace_back(flat.buffer(), static_cast<size_t>(begin), flat.dtype(),
                       Shape{(end - begin) / size});
  }
  return views;
}

namespace {

// Whether passes may change the shapes of states.
bool ShapesDependOnData(const Net& net) {
  const auto& layers = net.graph().layers;
  return std::any_of(layers.begin(), layers.end(),
                     [](const LayerNode& node) { return node.traits.shapes_depend_on_data; });
}

}  // namespace

bool CanTakeBack(const Net& net) {
  const auto& layers = net.graph().layers;
  return std::all_of(layers.begin(), layers.end(), [&](const LayerNode& node) {
    const bool carries = dynamic_cast<const CarriesState*>(node.layer.get()) != nullptr;
    return carries ? !ShapesDependOnData(net) : node.traits.can_recompute;
  });
}

bool NotesAll(const Net& net) { return !ShapesDependOnData(net) || net.CarriedStates().empty(); }

PassState::PassState(Net* net, std::vector<Tensor> more) : net_(*net), more_(std::move(more)) {}

// Looked up each time: a net that grows moves its states.
std::vector<Tensor> PassState::Current() const {
  std::vector<Tensor> all = more_;
  const std::vector<Tensor> statistics = StatisticsIn(net_, net_.flat_params());
  all.insert(all.end(), statistics.begin(), statistics.end());
  if (ShapesDependOnData(net_)) return all;
  for (const auto& [layer, carried] : net_.CarriedStates()) {
    all.insert(all.end(), carried.begin(), carried.end());
  }
  return all;
}

void PassState::Note() {
  const std::vector<Tensor> current = Current();
  Device& device = net_.context().device();
  noted_.resize(current.size());
  for (size_t i = 0; i < current.size(); ++i) {
    const Tensor& from = current[i];
    if (noted_[i].empty() || noted_[i].bytes() != from.bytes()) {
      noted_[i] = Tensor(net_.context().shared_device(), from.dtype(), from.shape());
    }
    device.Copy(noted_[i].raw(), from.raw(), from.bytes());
  }
  positions_ = net_.DataPositions();
}

void PassState::Exchange() {
  const std::vector<Tensor> current = Current();
  CREMA_CHECK(current.size() == noted_.size(), "a net with other states than before");
  const VectorOps& ops = VectorOpsFor(net_.context().kind());
  for (size_t i = 0; i < current.size(); ++i) ops.Swap(net_.context(), current[i], noted_[i]);
}

void PassState::TakeBack() {
  Exchange();
  net_.SeekData(positions_);
}

}  // namespace crema
