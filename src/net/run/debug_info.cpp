// The log lines of `debug_info: true`, which are Caffe's.
#include "net/run/debug_info.h"

#include <glog/logging.h>

#include <cmath>
#include <string>

#include "crema/error.h"
#include "net/passes.h"

namespace crema {
namespace {

std::string Number(double value) {
  return std::isnan(value) ? "nan" : Concat(static_cast<float>(value));
}

double SumOfMagnitudes(const Tensor& x) {
  double sum = 0;
  for (double value : x.ToHost<double>()) sum += std::fabs(value);
  return sum;
}

double SumOfSquares(const Tensor& x) {
  double sum = 0;
  for (double value : x.ToHost<double>()) sum += value * value;
  return sum;
}

std::string Mean(const Tensor& x) {
  return Number(SumOfMagnitudes(x) / static_cast<double>(x.count()));
}

// A parameter's name where it has one, else its number in the layer.
std::string NameOf(const ParamNode& param) {
  return param.shared_name.empty() ? Concat(param.index) : param.shared_name;
}

}  // namespace

void DebugInfo::BeginForward() {
  for (size_t i = 0; i < graph_.blobs.size(); ++i) {
    if (!graph_.layers[graph_.blobs[i].producer].traits.tops_take_any_shape) continue;
    LOG(INFO) << "    [Forward] Input " << NameWithoutLayout(graph_.blobs[i].name)
              << " data: " << Mean(blobs_.blob(static_cast<int>(i)).data_tensor());
  }
}

void DebugInfo::AfterForward(int layer, int /*lane*/) {
  const LayerNode& node = graph_.layers[layer];
  // Caffe has no layers of a pass.
  if (node.absorbed_by >= 0 || node.parts != 1 || node.made_by_pass) return;
  const std::string begin = "    [Forward] Layer " + node.layer->name();
  for (int top : node.tops) {
    LOG(INFO) << begin << ", top blob " << NameWithoutLayout(graph_.blobs[top].name)
              << " data: " << Mean(blobs_.blob(top).data_tensor());
  }
  for (int param : node.params) {
    LOG(INFO) << begin << ", param blob " << NameOf(graph_.params[param])
              << " data: " << Mean(parameters_.blob(param).data_tensor());
  }
}

void DebugInfo::AfterBackward(int layer) {
  const LayerNode& node = graph_.layers[layer];
  if (!node.runs_backward || node.made_by_pass) return;
  const std::string begin = "    [Backward] Layer " + node.layer->name();
  for (size_t b = 0; b < node.bottoms.size(); ++b) {
    const Blob& bottom = blobs_.blob(node.bottoms[b]);
    if (!node.propagate_down[b] || !bottom.has_diff()) continue;
    LOG(INFO) << begin << ", bottom blob " << NameWithoutLayout(bottom.name())
              << " diff: " << Mean(bottom.diff_tensor());
  }
  for (size_t p = 0; p < node.params.size(); ++p) {
    const Blob& param = parameters_.blob(node.params[p]);
    if (!graph_.params[node.params[p]].wants_gradient || !param.has_diff()) continue;
    LOG(INFO) << Concat(begin, ", param blob ", p, " diff: ", Mean(param.diff_tensor()));
  }
}

// Caffe logs this line as an error, so that it is seen in a log of errors only.
void DebugInfo::EndBackward() {
  double sums[2] = {}, squares[2] = {};
  for (int i = 0; i < parameters_.count(); ++i) {
    if (graph_.params[i].owner >= 0) continue;
    const Blob& param = parameters_.blob(i);
    sums[0] += SumOfMagnitudes(param.data_tensor());
    squares[0] += SumOfSquares(param.data_tensor());
    if (!param.has_diff()) continue;
    sums[1] += SumOfMagnitudes(param.diff_tensor());
    squares[1] += SumOfSquares(param.diff_tensor());
  }
  LOG(ERROR) << "    [Backward] All net params (data, diff): L1 norm = (" << Number(sums[0]) << ", "
             << Number(sums[1]) << "); L2 norm = (" << Number(std::sqrt(squares[0])) << ", "
             << Number(std::sqrt(squares[1])) << ")";
}

}  // namespace crema
