// Conversions between tensors and saved blobs.
#include "tensor/saved_tensor.h"

namespace crema {

namespace {

void Copy(const Tensor& from, std::vector<float>* floats, std::vector<double>* doubles) {
  *floats = from.ToHost<float>();
  if (from.dtype() == DType::kFloat64) *doubles = from.ToHost<double>();
}

void Set(const Tensor& tensor, const std::vector<float>& floats,
         const std::vector<double>& doubles) {
  if (doubles.empty()) {
    tensor.FromHost(floats);
  } else {
    tensor.FromHost(doubles);
  }
}

}  // namespace

SavedBlob SaveTensor(const Tensor& values, const Tensor* gradient) {
  SavedBlob blob;
  blob.shape = values.shape().dims();
  Copy(values, &blob.data, &blob.double_data);
  if (gradient != nullptr) Copy(*gradient, &blob.diff, &blob.double_diff);
  return blob;
}

void RestoreTensor(const SavedBlob& blob, const Tensor& tensor) {
  Set(tensor, blob.data, blob.double_data);
}

void RestoreGradient(const SavedBlob& blob, const Tensor& gradient) {
  Set(gradient, blob.diff, blob.double_diff);
}

void SaveTensor(const Tensor& values, const Shape& shape, proto::BlobProto* out) {
  SavedBlob blob = SaveTensor(values);
  blob.shape = shape.dims();
  ToProto(blob, false, out);
}

}  // namespace crema
