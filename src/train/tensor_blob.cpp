#include "train/tensor_blob.h"

#include "crema.pb.h"

namespace crema {

void SaveTensor(const Tensor& tensor, const Shape& shape, proto::BlobProto* out) {
  SavedBlob blob;
  blob.shape = shape.dims();
  blob.data = tensor.ToHost<float>();
  if (tensor.dtype() == DType::kFloat64) blob.double_data = tensor.ToHost<double>();
  ToProto(blob, false, out);
}

void RestoreTensor(const SavedBlob& blob, const Tensor& tensor) {
  if (blob.double_data.empty()) {
    tensor.FromHost(blob.data);
  } else {
    tensor.FromHost(blob.double_data);
  }
}

}  // namespace crema
