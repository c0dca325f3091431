#include "train/find_non_finite.h"

#include <algorithm>
#include <cmath>

#include "crema.pb.h"
#include "crema/error.h"
#include "net/passes.h"

namespace crema {
namespace {

// "3 of 40 values are not finite"; "" if all are.
std::string Problem(const Tensor& tensor) {
  const std::vector<double> values = tensor.ToHost<double>();
  const auto bad = std::count_if(values.begin(), values.end(),
                                 [](double value) { return !std::isfinite(value); });
  return bad == 0 ? "" : Concat(bad, " of ", values.size(), " values are not finite");
}

// Layers that only take (HDF5Output) must not run twice.
proto::NetParameter WithoutSinks(const proto::NetParameter& config, const Graph& graph) {
  proto::NetParameter kept = config;
  kept.clear_layer();
  for (const proto::LayerParameter& layer : config.layer()) {
    const auto is_sink = [&](const LayerNode& node) {
      return node.tops.empty() && node.layer->name() == layer.name();
    };
    if (std::none_of(graph.layers.begin(), graph.layers.end(), is_sink)) *kept.add_layer() = layer;
  }
  return kept;
}

std::string BadParam(const Net& net, const LayerNode& node) {
  for (size_t p = 0; p < node.params.size(); ++p) {
    const std::string problem = Problem(net.param(node.params[p]).data_tensor());
    if (problem.empty()) continue;
    return Concat("parameter ", p, " of ", LayerTitle(*node.layer), " (", problem, ")");
  }
  return "";
}

// Runs forward. Each blob is looked at as soon as it is written: a layer in place, or one that is
// given the same memory, may change it.
std::string BadValue(uint64_t step, Net* net) {
  net->BeginPass(step);
  for (size_t l = 0; l < net->graph().layers.size(); ++l) {
    const LayerNode& node = net->graph().layers[l];
    const std::string param = BadParam(*net, node);
    if (!param.empty()) return param;
    net->ForwardLayer(static_cast<int>(l));
    for (int top : node.tops) {
      const std::string problem = Problem(net->blob(top).data_tensor());
      if (problem.empty()) continue;
      return Concat("blob '", NameInText(net->graph(), top), "' of ", LayerTitle(*node.layer), " (",
                    problem, ")");
    }
  }
  return "";
}

// Runs backward, after BadValue.
std::string BadGradient(Net* net) {
  for (int l = static_cast<int>(net->graph().layers.size()) - 1; l >= 0; --l) {
    const LayerNode& node = net->graph().layers[l];
    if (!node.runs_backward) continue;
    net->BackwardLayer(l);
    for (size_t b = 0; b < node.bottoms.size(); ++b) {
      const Blob& blob = net->blob(node.bottoms[b]);
      const bool written = node.propagate_down[b] && blob.has_diff();
      const std::string problem = written ? Problem(blob.diff_tensor()) : "";
      if (problem.empty()) continue;
      return Concat("the gradient of blob '", NameInText(net->graph(), node.bottoms[b]), "' from ",
                    LayerTitle(*node.layer), " (", problem, ")");
    }
  }
  return "";
}

// Layer by layer, in the memory and with the parameters of the first net.
NetOptions OptionsToRepeat(const PassesMade& passes) {
  NetOptions options = passes.options;
  options.share_params_with = options.share_memory_with = &passes.net;
  options.keep_blobs = options.fuse = false;
  options.slice_bytes = 0;
  options.backward = passes.backward;
  return options;
}

}  // namespace

std::string FindNonFinite(const PassesMade& passes, const Tensor& weights) {
  const std::vector<double> before = weights.ToHost<double>();
  std::string found;
  try {
    Net net(WithoutSinks(passes.config, passes.net.graph()), passes.net.context().shared_device(),
            OptionsToRepeat(passes));
    net.SeekData(passes.net.DataPositionsBefore(passes.count));
    for (uint64_t pass = 0; pass < passes.count && found.empty(); ++pass) {
      found = BadValue(passes.first_step + pass, &net);
      if (found.empty() && passes.backward) found = BadGradient(&net);
    }
  } catch (const Error&) {  // no memory for it, or data that cannot be had twice
  }
  weights.FromHost(before);  // statistics have moved
  return found;
}

std::string FindNonFiniteParam(const Net& net) {
  for (const LayerNode& node : net.graph().layers) {
    const std::string bad = BadParam(net, node);
    if (!bad.empty()) return bad;
  }
  return "";
}

std::string FindNonFiniteGradient(const Net& net) {
  for (size_t i = 0; i < net.graph().params.size(); ++i) {
    const ParamNode& node = net.graph().params[i];
    const Blob& param = net.param(static_cast<int>(i));
    const std::string problem = param.has_diff() ? Problem(param.diff_tensor()) : "";
    if (problem.empty()) continue;
    return Concat("the gradient of parameter ", node.index, " of ",
                  LayerTitle(*net.graph().layers[node.layer].layer), " (", problem, ")");
  }
  return "";
}

}  // namespace crema
