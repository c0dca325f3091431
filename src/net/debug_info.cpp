// The lines of `debug_info: true`, with Caffe's words: the mean magnitude of everything.
#include <glog/logging.h>

#include <cmath>

#include "crema/base/error.h"
#include "crema/net/net.h"
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

void Net::LogInputs() const {
  for (size_t i = 0; i < graph_.blobs.size(); ++i) {
    if (!graph_.layers[graph_.blobs[i].producer].traits.tops_take_any_shape) continue;
    LOG(INFO) << "    [Forward] Input " << NameWithoutLayout(graph_.blobs[i].name)
              << " data: " << Mean(blobs_[i]->data_tensor());
  }
}

void Net::LogForward(int i) const {
  const LayerNode& node = graph_.layers[i];
  if (node.absorbed_by >= 0 || node.made_by_pass) return;  // Caffe has no such layers
  const std::string begin = "    [Forward] Layer " + node.layer->name();
  for (int top : node.tops) {
    LOG(INFO) << begin << ", top blob " << NameWithoutLayout(graph_.blobs[top].name)
              << " data: " << Mean(blobs_[top]->data_tensor());
  }
  for (int param : node.params) {
    LOG(INFO) << begin << ", param blob " << NameOf(graph_.params[param])
              << " data: " << Mean(params_[param]->data_tensor());
  }
}

void Net::LogBackward(int i) const {
  const LayerNode& node = graph_.layers[i];
  if (node.made_by_pass) return;
  const std::string begin = "    [Backward] Layer " + node.layer->name();
  for (size_t b = 0; b < node.bottoms.size(); ++b) {
    const Blob& bottom = *blobs_[node.bottoms[b]];
    if (!node.propagate_down[b] || !bottom.has_diff()) continue;
    LOG(INFO) << begin << ", bottom blob " << NameWithoutLayout(bottom.name())
              << " diff: " << Mean(bottom.diff_tensor());
  }
  for (size_t p = 0; p < node.params.size(); ++p) {
    const Blob& param = *params_[node.params[p]];
    if (!graph_.params[node.params[p]].wants_gradient || !param.has_diff()) continue;
    LOG(INFO) << Concat(begin, ", param blob ", p, " diff: ", Mean(param.diff_tensor()));
  }
}

// Caffe logs this line as an error, so that it is seen in a log of errors only.
void Net::LogParameterNorms() const {
  double sums[2] = {}, squares[2] = {};
  for (size_t i = 0; i < params_.size(); ++i) {
    if (graph_.params[i].owner >= 0) continue;
    sums[0] += SumOfMagnitudes(params_[i]->data_tensor());
    squares[0] += SumOfSquares(params_[i]->data_tensor());
    if (!params_[i]->has_diff()) continue;
    sums[1] += SumOfMagnitudes(params_[i]->diff_tensor());
    squares[1] += SumOfSquares(params_[i]->diff_tensor());
  }
  LOG(ERROR) << "    [Backward] All net params (data, diff): L1 norm = (" << Number(sums[0]) << ", "
             << Number(sums[1]) << "); L2 norm = (" << Number(std::sqrt(squares[0])) << ", "
             << Number(std::sqrt(squares[1])) << ")";
}

}  // namespace crema
