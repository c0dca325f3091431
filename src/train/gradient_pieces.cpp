#include "train/gradient_pieces.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace crema {
namespace {

constexpr int kNever = -1;

// By parameter: the last layer of a backward pass that adds to the gradient that it owns.
std::vector<int> LastLayers(const Net& net) {
  const Graph& graph = net.graph();
  std::vector<int> last(graph.params.size(), kNever);
  for (size_t i = 0; i < graph.params.size(); ++i) {
    const ParamNode& param = graph.params[i];
    if (!param.wants_gradient || !net.param(static_cast<int>(i)).has_diff()) continue;
    int layer = param.layer;
    while (graph.layers[layer].absorbed_by >= 0) layer = graph.layers[layer].absorbed_by;
    if (!graph.layers[layer].runs_backward) continue;
    int& its_last = last[param.owner >= 0 ? static_cast<size_t>(param.owner) : i];
    its_last = its_last == kNever ? layer : std::min(its_last, layer);
  }
  return last;
}

}  // namespace

std::vector<GradientPiece> GradientPiecesOf(const Net& net, size_t least_bytes) {
  const Tensor& flat = net.flat_gradients();
  const auto* base = static_cast<const char*>(flat.raw());
  const std::vector<int> last = LastLayers(net);
  std::vector<GradientPiece> pieces;
  size_t begin = 0, end = 0;  // in bytes; none: equal
  int layer = 0;
  const auto close = [&] {
    const auto count = static_cast<int64_t>((end - begin) / SizeOf(flat.dtype()));
    if (count > 0) {
      pieces.push_back({Tensor(flat.buffer(), begin, flat.dtype(), Shape{count}), layer});
    }
    begin = end = 0;
  };
  for (size_t i = last.size(); i-- > 0;) {  // the last ones are complete first
    if (net.graph().params[i].owner >= 0) continue;
    if (last[i] == kNever) {
      close();
      continue;
    }
    const Tensor& gradient = net.param(static_cast<int>(i)).diff_tensor();
    const auto at = static_cast<size_t>(static_cast<const char*>(gradient.raw()) - base);
    if (begin == end) {
      end = at + gradient.bytes();
      layer = last[i];
    }
    begin = at;
    layer = std::min(layer, last[i]);
    if (end - begin >= least_bytes) close();
  }
  close();
  std::stable_sort(
      pieces.begin(), pieces.end(),
      [](const GradientPiece& a, const GradientPiece& b) { return a.layer > b.layer; });
  return pieces;
}

PieceObserver::PieceObserver(Net* net, GradientCombiner* combiner)
    : ctx_(net->context()),
      combiner_(*combiner),
      pieces_(GradientPiecesOf(*net, combiner->LeastPieceBytes())) {}

void PieceObserver::AfterBackward(int layer) {
  for (const GradientPiece& piece : pieces_) {
    if (piece.layer == layer) combiner_.Begin(ctx_, piece.values);
  }
}

void PieceObserver::EndBackward() { combiner_.Finish(ctx_); }

}  // namespace crema
