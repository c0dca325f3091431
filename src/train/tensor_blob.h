// Tensors in the files of snapshots, bit by bit.
#pragma once

#include "crema/tensor/tensor.h"
#include "schema/weights_io.h"

namespace crema {

// Writes the values to `out` under the given shape, in Caffe's order: as 32-bit floats, and if the
// tensor has 64-bit floats as those, too. Waits for the device.
void SaveTensor(const Tensor& tensor, const Shape& shape, proto::BlobProto* out);

// Sets the values to those of `blob`, which has as many. Waits for the device.
void RestoreTensor(const SavedBlob& blob, const Tensor& tensor);

}  // namespace crema
