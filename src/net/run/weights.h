// Copying weights from files into a net's layers and out of them.
#pragma once

#include <string>

#include "crema/dev/graph.h"
#include "crema/weights_report.h"

namespace crema {

namespace proto {
class NetParameter;
}

// Copies the parameters of the layers in a weights file (`.caffemodel`, also as HDF5) into the
// parameters that are bound to the graph's layers of the same names. Others keep theirs. Throws
// Error if the file cannot be read, or a layer there has other shapes; some may then be copied.
WeightsReport LoadWeights(const std::string& path, const Graph& graph);

// Fills `out` with the layers of the net's text and their parameters, as Caffe stores them, and
// with the parameters' gradients, where they have one, if `with_gradients`.
void SaveWeights(const Graph& graph, bool with_gradients, proto::NetParameter* out);

}  // namespace crema
