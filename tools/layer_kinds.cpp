// The table of kinds. A new layer is added to its kind.
#include "layer_kinds.h"

#include <algorithm>

namespace crema {

const std::vector<LayerKind>& LayerKinds() {
  static const std::vector<LayerKind> kinds = {
      {"data",
       "Data",
       "layers that make or take data",
       {"Data", "DummyData", "HDF5Data", "HDF5Output", "ImageData", "Input", "MemoryData",
        "Parameter", "WindowData"}},
      {"vision",
       "Vision",
       "windows that slide over images",
       {"Convolution", "Crop", "Deconvolution", "Im2col", "Pooling", "SPP"}},
      {"dense", "Dense", "all inputs times a matrix", {"Embed", "InnerProduct"}},
      {"recurrent", "Recurrent", "layers over sequences", {"LSTM", "LSTMUnit", "RNN"}},
      {"elementwise",
       "Elementwise",
       "functions of each element",
       {"AbsVal", "BNLL", "Bias", "Clip", "Dropout", "ELU", "Eltwise", "Exp", "Log", "PReLU",
        "Power", "ReLU", "Scale", "Sigmoid", "Swish", "TanH", "Threshold"}},
      {"normalization",
       "Normalization",
       "means, variances and sums taken out",
       {"BatchNorm", "LRN", "MVN", "Softmax"}},
      {"shape",
       "Shape",
       "layers that join, split and rearrange",
       {"BatchReindex", "Concat", "Filter", "Flatten", "Reshape", "Silence", "Slice", "Split",
        "Tile"}},
      {"reduction", "Reduction", "many values to one", {"ArgMax", "Reduction"}},
      {"loss",
       "Losses",
       "losses and measures",
       {"Accuracy", "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss",
        "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss", "SoftmaxWithLoss"}},
      {"", "Others", "other layers", {}}};
  return kinds;
}

const LayerKind& KindOfLayer(const std::string& type) {
  const std::vector<LayerKind>& kinds = LayerKinds();
  const auto kind = std::find_if(kinds.begin(), kinds.end() - 1, [&](const LayerKind& candidate) {
    const std::vector<std::string>& members = candidate.members;
    return std::find(members.begin(), members.end(), type) != members.end();
  });
  return *kind;
}

}  // namespace crema
