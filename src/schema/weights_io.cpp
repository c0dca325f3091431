#include "schema/weights_io.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "crema.pb.h"
#include "crema/error.h"
#include "schema/binary_io.h"
#include "schema/file_kind.h"
#include "schema/hdf5_weights.h"
#include "schema/message_size.h"
#include "schema/old_formats.h"
#include "weights.pb.h"

namespace crema {
namespace {

// What NVIDIA's files call the type of their raw values.
enum RawType { kRawDouble = 0, kRawFloat = 1, kRawHalf = 2 };

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t dim : shape) text += (text.empty() ? "" : ", ") + std::to_string(dim);
  return "(" + text + ")";
}

// Returns whether `count` is the product of the shape. Compares without computing the product,
// which may be too large for any type.
bool Matches(const std::vector<int64_t>& shape, uint64_t count) {
  for (const int64_t dim : shape) {
    if (dim < 0) return false;
  }
  for (const int64_t dim : shape) {
    if (dim == 0) return count == 0;
  }
  uint64_t rest = count;
  for (const int64_t dim : shape) {
    if (rest % static_cast<uint64_t>(dim) != 0) return false;
    rest /= static_cast<uint64_t>(dim);
  }
  return rest == 1;
}

float HalfToFloat(uint16_t half) {
  const int sign = half >> 15, exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff;
  float value;
  if (exponent == 0x1f) {
    value = fraction != 0 ? std::nanf("") : HUGE_VALF;
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    value = std::ldexp(static_cast<float>(fraction | 0x400), exponent - 25);
  }
  return sign != 0 ? -value : value;
}

// The values are little-endian, as is every machine that crema runs on; the bytes need not be
// aligned.
template <class T>
std::vector<T> FromBytes(const std::string& bytes, const std::string& name) {
  if (bytes.size() % sizeof(T) != 0) {
    Fail(name, ": its raw values have ", bytes.size(), " bytes, which is not a multiple of ",
         sizeof(T));
  }
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::vector<float> Rounded(const std::vector<double>& values) {
  return std::vector<float>(values.begin(), values.end());
}

void DecodeRaw(int type, const std::string& bytes, const std::string& name,
               std::vector<float>* floats, std::vector<double>* doubles) {
  if (type == kRawDouble) {
    *doubles = FromBytes<double>(bytes, name);
    *floats = Rounded(*doubles);
  } else if (type == kRawFloat) {
    *floats = FromBytes<float>(bytes, name);
  } else if (type == kRawHalf) {
    for (const uint16_t half : FromBytes<uint16_t>(bytes, name)) {
      floats->push_back(HalfToFloat(half));
    }
  } else {
    Fail(name, ": its raw values have type ", type, ", expected 0 (double), 1 (float) or 2 (half)");
  }
}

// These work for proto::BlobProto and weights::Blob.
template <class P>
SavedBlob Shaped(const P& from) {
  SavedBlob blob;
  if (from.has_shape()) {
    blob.shape.assign(from.shape().dim().begin(), from.shape().dim().end());
  } else {
    blob.legacy_shape = true;
    blob.shape = {from.num(), from.channels(), from.height(), from.width()};
  }
  return blob;
}

template <class P>
void CopyData(const P& from, SavedBlob* blob) {
  if (from.double_data_size() > 0) {
    blob->double_data.assign(from.double_data().begin(), from.double_data().end());
    blob->data = Rounded(blob->double_data);
  } else {
    blob->data.assign(from.data().begin(), from.data().end());
  }
}

template <class P>
void CopyDiff(const P& from, SavedBlob* blob) {
  if (from.double_diff_size() > 0) {
    blob->double_diff.assign(from.double_diff().begin(), from.double_diff().end());
    blob->diff = Rounded(blob->double_diff);
  } else {
    blob->diff.assign(from.diff().begin(), from.diff().end());
  }
}

void CheckCounts(const SavedBlob& blob, const std::string& name) {
  if (!Matches(blob.shape, blob.data.size())) {
    Fail(name, ": has ", blob.data.size(), " values, which does not match its shape ",
         ShapeText(blob.shape), "; the file is damaged");
  }
  if (!blob.diff.empty() && blob.diff.size() != blob.data.size()) {
    Fail(name, ": has ", blob.diff.size(), " gradients for ", blob.data.size(),
         " values; the file is damaged");
  }
}

template <class P>
bool SaysNoShape(const P& from) {
  const bool old_form =
      from.has_num() || from.has_channels() || from.has_height() || from.has_width();
  return !from.has_shape() && !old_form;
}

// Caffe writes a scalar as one value without any shape.
void MakeScalar(SavedBlob* blob) {
  if (blob->data.size() != 1) return;
  blob->shape.clear();
  blob->legacy_shape = false;
}

// Empties `from`, so that a large file is not held twice.
SavedBlob TakeBlob(weights::Blob* from, const std::string& name) {
  SavedBlob blob = Shaped(*from);
  const bool says_no_shape = SaysNoShape(*from);
  if (from->has_raw_data()) {
    DecodeRaw(from->raw_data_type(), from->raw_data(), name, &blob.data, &blob.double_data);
  } else {
    CopyData(*from, &blob);
  }
  if (from->has_raw_diff()) {
    DecodeRaw(from->raw_diff_type(), from->raw_diff(), name, &blob.diff, &blob.double_diff);
  } else {
    CopyDiff(*from, &blob);
  }
  *from = weights::Blob();
  if (says_no_shape) MakeScalar(&blob);
  CheckCounts(blob, name);
  return blob;
}

template <class Blobs>
SavedLayer TakeLayer(const std::string& path, const std::string& name, const std::string& type,
                     Blobs* blobs) {
  SavedLayer layer{name, type, {}};
  for (int i = 0; i < blobs->size(); ++i) {
    const std::string blob_name = Concat(path, ": layer \"", name, "\", blob ", i);
    layer.blobs.push_back(TakeBlob(blobs->Mutable(i), blob_name));
  }
  return layer;
}

SavedLayer TakeV1Layer(const std::string& path, weights::V1Layer* layer) {
  if (!layer->has_layer()) {
    return TakeLayer(path, layer->name(), NameOfV1Type(layer->type()), layer->mutable_blobs());
  }
  weights::V0Layer* inner = layer->mutable_layer();
  return TakeLayer(path, inner->name(), NameOfV0Type(inner->type()), inner->mutable_blobs());
}

// Fails, with what it is, if the bytes are a file that people mistake for weights. It is told by
// the first field: a solver state begins with its iteration, a net with its name or a layer.
void CheckIsNoState(const std::string& path, const std::string& bytes) {
  constexpr char kFieldOneIsNumber = 0x08;
  weights::State state;
  const bool read = bytes[0] == kFieldOneIsNumber && IsInProportion(bytes, state) &&
                    state.ParsePartialFromString(bytes);
  if (!read || !state.has_iter()) return;
  const bool is_state = state.has_learned_net() || state.history_size() > 0;
  if (!is_state) return;
  const std::string& weights = state.learned_net();
  Fail(InFile(path), ": is a solver state (iteration ", state.iter(),
       "), not weights; pass it with --snapshot",
       weights.empty() ? "" : ", or use its weights, " + weights);
}

}  // namespace

bool IsHdf5File(const std::string& path) {
  std::string bytes(8, '\0');
  const Descriptor file = OpenForReading(path);
  const ssize_t count = ReadRetrying(file.get(), &bytes[0], bytes.size());
  if (count < 0) Fail(InFile(path), ": cannot be read: ", ErrorText(errno));
  bytes.resize(static_cast<size_t>(count));
  return IsHdf5(bytes);
}

std::vector<SavedLayer> ReadWeightsFile(const std::string& path) {
  if (IsHdf5File(path)) return ReadHdf5Weights(path);
  weights::Net net;
  {
    const std::string bytes = ReadFileBytes(path);
    if (!bytes.empty()) CheckIsNoState(path, bytes);
    ReadBinary(bytes, path, "a weights file (.caffemodel)", &net);
  }
  if (net.layer_size() == 0 && net.layers_size() == 0) {
    Fail(InFile(path), ": holds no layers; it is not a weights file (.caffemodel)");
  }
  std::vector<SavedLayer> layers;
  for (weights::V1Layer& layer : *net.mutable_layers()) {
    layers.push_back(TakeV1Layer(path, &layer));
  }
  for (weights::Layer& layer : *net.mutable_layer()) {
    layers.push_back(TakeLayer(path, layer.name(), layer.type(), layer.mutable_blobs()));
  }
  return layers;
}

SavedBlob ReadMeanFile(const std::string& path) {
  weights::Blob blob;
  ReadBinaryFile(path, "a mean file (.binaryproto)", &blob);
  SavedBlob saved = TakeBlob(&blob, path);
  if (saved.data.empty())
    Fail(InFile(path), ": holds no values; it is not a mean file (.binaryproto)");
  return saved;
}

SavedBlob FromProto(const proto::BlobProto& blob, const std::string& name_for_errors) {
  SavedBlob saved = Shaped(blob);
  CopyData(blob, &saved);
  CopyDiff(blob, &saved);
  if (SaysNoShape(blob)) MakeScalar(&saved);
  CheckCounts(saved, name_for_errors);
  return saved;
}

void ToProto(const SavedBlob& blob, bool with_diff, proto::BlobProto* out) {
  out->Clear();
  auto* dims = out->mutable_shape()->mutable_dim();
  dims->Add(blob.shape.begin(), blob.shape.end());
  if (!blob.double_data.empty()) {
    out->mutable_double_data()->Add(blob.double_data.begin(), blob.double_data.end());
  } else {
    out->mutable_data()->Add(blob.data.begin(), blob.data.end());
  }
  if (!with_diff) return;
  if (!blob.double_diff.empty()) {
    out->mutable_double_diff()->Add(blob.double_diff.begin(), blob.double_diff.end());
  } else {
    out->mutable_diff()->Add(blob.diff.begin(), blob.diff.end());
  }
}

}  // namespace crema
