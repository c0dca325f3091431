// Caffe's two older formats of layers: V0, whose options are all in one message, and V1, whose
// types are an enum. Both stand in a net's `layers`.
#pragma once

#include <string>
#include <vector>

namespace crema {

namespace proto {
class NetParameter;
}  // namespace proto

// Each changes `net` and adds what it did to `notes`, as UpgradeNet does. Throws Error, beginning
// with `file`, for what cannot be converted.

// V0 to V1. A padding layer is merged into the next layer.
void UpgradeV0(const std::string& file, proto::NetParameter* net, std::vector<std::string>* notes);

// In V1, transformations that stand in the data parameters go to transform_param.
void UpgradeTransformations(proto::NetParameter* net, std::vector<std::string>* notes);

// V1 to `layer`. A net with layers of both kinds is an error.
void UpgradeV1(const std::string& file, proto::NetParameter* net, std::vector<std::string>* notes);

// Returns the present name of a layer type of the format V1, such as "Convolution" for 4; "" for
// NONE and for numbers that only forks use.
std::string NameOfV1Type(int type);

// The same for a type of the format V0, such as "conv"; "" for "padding" and for unknown names.
std::string NameOfV0Type(const std::string& type);

}  // namespace crema
