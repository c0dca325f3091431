// Weights and solver states in HDF5, as Caffe lays them out.
#pragma once

#include <string>
#include <vector>

#include "schema/weights_io.h"

namespace crema {

namespace proto {
class NetParameter;
class SolverState;
}  // namespace proto

// All throw Error. Files are put together in memory; `path` is for errors.

// Layers of `.caffemodel.h5`: dataset data/LAYER/I is blob I. Their types are unknown. A blob that
// shares another layer's memory may be missing: it has no values and no extents. Gradients are read
// if they are asked for and the file has them.
std::vector<SavedLayer> ReadHdf5Weights(const std::string& path, bool with_gradients = false);
// Gradients, if the blobs have them, go to diff/LAYER/I. A name that HDF5 would not give back, such
// as "a//b", has a group of another name, G; crema_names/G holds the layer's name, as bytes.
std::string Hdf5WeightsBytes(const proto::NetParameter& net, const std::string& path);

// `.solverstate.h5`: iter, learned_net, current_step and history/I; what crema adds is in
// crema_progress, which Caffe does not look for.
// A file that is `known` to be as it was written is read without the care that others need; then
// the history may be left out.
void ReadHdf5State(const std::string& path, proto::SolverState* state, bool known = false,
                   bool with_history = true);
// The bytes of such a file, all fields and histories of `state` in it.
std::string Hdf5StateBytes(const proto::SolverState& state, const std::string& path);

}  // namespace crema
