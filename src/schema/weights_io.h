// Reads trained weights and mean files that Caffe, or a fork of it, wrote, and converts blobs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crema {

namespace proto {
class BlobProto;
}  // namespace proto

// The values of one blob, away from any net. data.size() is the product of the shape.
struct SavedBlob {
  std::vector<int64_t> shape;
  // The shape was given in the old way, as num, channels, height, width: four extents, of which
  // the first ones may be 1 only to fill up. (1, 1, 1, 64) may stand for (64), for example.
  bool legacy_shape = false;
  std::vector<float> data;
  // The gradients; empty where the file has none.
  std::vector<float> diff;
  // Where the file holds 64-bit floats: the exact values of what `data` and `diff` round. Else
  // empty.
  std::vector<double> double_data;
  std::vector<double> double_diff;
};

struct SavedLayer {
  std::string name;
  // The present name of the type, as in "Convolution", also for old files; "" where it is unknown.
  std::string type;
  std::vector<SavedBlob> blobs;
};

// All of these throw Error with one sentence that names the file and, where there is one, the
// layer. No number that a file states makes them take memory: only what the file really holds
// does. Any thread may call them.

// Reads a `.caffemodel` in any of Caffe's binary formats, including NVIDIA's half-precision one.
// Returns all layers in the file's order, those without weights too; HDF5 files: see
// hdf5_weights.h.
std::vector<SavedLayer> ReadWeightsFile(const std::string& path);

// Reads one blob, such as a mean image or an infogain matrix (`.binaryproto`). It has at least one
// value.
SavedBlob ReadMeanFile(const std::string& path);

// Converts a blob; `name_for_errors` says which it is.
SavedBlob FromProto(const proto::BlobProto& blob, const std::string& name_for_errors);

// Fills `out`: the shape in the present form, and the values as doubles where the blob has them,
// otherwise as floats. Writes gradients only where `with_diff` is set.
void ToProto(const SavedBlob& blob, bool with_diff, proto::BlobProto* out);

// Returns whether the file begins as HDF5 files do. Throws Error
// where it cannot be read.
bool IsHdf5File(const std::string& path);

}  // namespace crema
