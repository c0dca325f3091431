// Tensors as the blobs that files hold, and back, bit by bit: weights and their gradients, a
// solver's histories, averaged weights, what layers carry from batch to batch.
#pragma once

#include "crema/tensor.h"
#include "schema/weights_io.h"

namespace crema {

// All of these wait for the device, and throw Error if the numbers of values differ. Values are in
// Caffe's order, whatever the tensor's layout: as 32-bit floats, and if the tensor has 64-bit
// floats, as those, too.

// The values of `values` and, unless it is null, those of `gradient`, which has the same shape.
SavedBlob SaveTensor(const Tensor& values, const Tensor* gradient = nullptr);

// Sets all values of `tensor` to those of `blob`, converted to the tensor's type. Their shapes may
// differ, but not their numbers of values.
void RestoreTensor(const SavedBlob& blob, const Tensor& tensor);

// The same with the gradients that `blob` has.
void RestoreGradient(const SavedBlob& blob, const Tensor& gradient);

// Writes the values to `out` under the shape that is given, which has as many elements.
void SaveTensor(const Tensor& values, const Shape& shape, proto::BlobProto* out);

}  // namespace crema
