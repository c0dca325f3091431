#include "schema/weights_io.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "crema.pb.h"
#include "schema_test_util.h"
#include "weights.pb.h"

namespace crema {
namespace {

std::string WeightsFile(const std::string& bytes) {
  return WriteTestFile(TestFolder() / "w.caffemodel", bytes);
}

std::string WeightsError(const std::string& bytes) {
  const std::string path = WeightsFile(bytes);
  std::string error = ErrorOf([&] { ReadWeightsFile(path); });
  if (error.rfind(path, 0) == 0) error.replace(0, path.size(), "w");
  return error;
}

// A net of one layer "c" with one blob of the given shape, filled with `count` numbers.
proto::NetParameter OneBlob(const std::vector<int64_t>& shape, int count) {
  proto::NetParameter net;
  auto* layer = net.add_layer();
  layer->set_name("c");
  layer->set_type("Convolution");
  auto* blob = layer->add_blobs();
  for (const int64_t dim : shape) blob->mutable_shape()->add_dim(dim);
  for (int i = 0; i < count; ++i) blob->add_data(0.5f * static_cast<float>(i));
  return net;
}

TEST(ReadWeightsFile, ReadsThePresentFormat) {
  proto::NetParameter net = OneBlob({2, 3}, 6);
  net.mutable_layer(0)->mutable_blobs(0)->add_diff(7);
  for (int i = 1; i < 6; ++i) net.mutable_layer(0)->mutable_blobs(0)->add_diff(8);
  net.add_layer()->set_name("relu");
  const auto layers = ReadWeightsFile(WeightsFile(net.SerializeAsString()));
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].name, "c");
  EXPECT_EQ(layers[0].type, "Convolution");
  ASSERT_EQ(layers[0].blobs.size(), 1u);
  const SavedBlob& blob = layers[0].blobs[0];
  EXPECT_EQ(blob.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_FALSE(blob.legacy_shape);
  EXPECT_EQ(blob.data, (std::vector<float>{0, 0.5f, 1, 1.5f, 2, 2.5f}));
  EXPECT_EQ(blob.diff[0], 7);
  EXPECT_TRUE(blob.double_data.empty());
  EXPECT_EQ(layers[1].name, "relu");
  EXPECT_TRUE(layers[1].blobs.empty());
}

TEST(ReadWeightsFile, ReadsTheOldFormats) {
  proto::NetParameter net;
  auto* v1 = net.add_layers();
  v1->set_name("ip");
  v1->set_type(proto::V1LayerParameter::INNER_PRODUCT);
  auto* blob = v1->add_blobs();
  blob->set_num(1);
  blob->set_channels(1);
  blob->set_height(1);
  blob->set_width(2);
  blob->add_data(3);
  blob->add_data(4);
  auto* v0 = net.add_layers()->mutable_layer();
  v0->set_name("conv");
  v0->set_type("conv");
  *v0->add_blobs() = *blob;
  const auto layers = ReadWeightsFile(WeightsFile(net.SerializeAsString()));
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].name, "ip");
  EXPECT_EQ(layers[0].type, "InnerProduct");
  EXPECT_EQ(layers[0].blobs[0].shape, (std::vector<int64_t>{1, 1, 1, 2}));
  EXPECT_TRUE(layers[0].blobs[0].legacy_shape);
  EXPECT_EQ(layers[1].name, "conv");
  EXPECT_EQ(layers[1].type, "Convolution");
  EXPECT_EQ(layers[1].blobs[0].data, (std::vector<float>{3, 4}));
}

// Fields of a fork under numbers that crema uses otherwise, or not at all, do not matter.
TEST(ReadWeightsFile, SkipsWhatForksAdd) {
  weights::Net net;
  auto* layer = net.add_layer();
  layer->set_name("c");
  layer->add_blobs()->mutable_shape();
  layer->mutable_blobs(0)->add_data(9);
  layer->GetReflection()->MutableUnknownFields(layer)->AddLengthDelimited(106, "\xff\xff\xff");
  layer->GetReflection()->MutableUnknownFields(layer)->AddVarint(149, 3);
  const auto layers = ReadWeightsFile(WeightsFile(net.SerializeAsString()));
  EXPECT_EQ(layers[0].blobs[0].data, std::vector<float>{9});
  EXPECT_TRUE(layers[0].blobs[0].shape.empty());
}

TEST(ReadWeightsFile, KeepsDoubles) {
  proto::NetParameter net = OneBlob({1}, 0);
  net.mutable_layer(0)->mutable_blobs(0)->add_double_data(1.0 / 3);
  const auto layers = ReadWeightsFile(WeightsFile(net.SerializeAsString()));
  EXPECT_EQ(layers[0].blobs[0].double_data[0], 1.0 / 3);
  EXPECT_EQ(layers[0].blobs[0].data[0], static_cast<float>(1.0 / 3));
}

weights::Net RawNet(int type, const std::string& bytes, int count) {
  weights::Net net;
  auto* layer = net.add_layer();
  layer->set_name("c");
  auto* blob = layer->add_blobs();
  blob->mutable_shape()->add_dim(count);
  blob->set_raw_data_type(type);
  blob->set_raw_data(bytes);
  return net;
}

template <class T>
std::string BytesOf(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::vector<float> ReadRaw(int type, const std::string& bytes, int count) {
  const std::string path = WeightsFile(RawNet(type, bytes, count).SerializeAsString());
  return ReadWeightsFile(path)[0].blobs[0].data;
}

TEST(ReadWeightsFile, DecodesRawValues) {
  const std::vector<float> values = {1.5f, -2, 0.1f};
  EXPECT_EQ(ReadRaw(1, BytesOf(values), 3), values);
  EXPECT_EQ(ReadRaw(0, BytesOf(std::vector<double>{1.5, -2}), 2), (std::vector<float>{1.5f, -2}));
  const std::vector<uint16_t> halves = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x3555, 0x03ff};
  const std::vector<float> wanted = {1, -2, 0x1p-24f, 65504, -0., 0x1.554p-2f, 1023 * 0x1p-24f};
  EXPECT_EQ(ReadRaw(2, BytesOf(halves), 7), wanted);
  EXPECT_TRUE(std::signbit(ReadRaw(2, BytesOf(halves), 7)[4]));
  const auto special = ReadRaw(2, BytesOf(std::vector<uint16_t>{0x7c00, 0xfc00, 0x7e00}), 3);
  EXPECT_EQ(special[0], std::numeric_limits<float>::infinity());
  EXPECT_EQ(special[1], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(special[2]));
}

TEST(ReadWeightsFile, RefusesOddRawValues) {
  EXPECT_TRUE(Contains(WeightsError(RawNet(3, "abcd", 1).SerializeAsString()), "have type 3"));
  EXPECT_TRUE(
      Contains(WeightsError(RawNet(1, "abcde", 1).SerializeAsString()), "not a multiple of 4"));
}

TEST(ReadWeightsFile, ChecksCounts) {
  EXPECT_EQ(WeightsError(OneBlob({2, 3}, 5).SerializeAsString()),
            "w: layer \"c\", blob 0: has 5 values, which does not match its shape (2, 3); the file "
            "is damaged");
  // Shapes whose product is 0, or the right number, only after an overflow; and negative ones.
  const int64_t half = int64_t{1} << 32;
  const std::vector<std::vector<int64_t>> hostile = {{half, half},
                                                     {half, half, 5},
                                                     {-2, -3},
                                                     {-1, 6},
                                                     {int64_t{1} << 62, 8},
                                                     {std::numeric_limits<int64_t>::min()},
                                                     {-5, 0},
                                                     {0, 6}};
  for (const auto& shape : hostile) {
    EXPECT_NE(WeightsError(OneBlob(shape, 6).SerializeAsString()), "");
    EXPECT_EQ(WeightsError(OneBlob(shape, 0).SerializeAsString()).empty(), shape[0] == 0);
  }
  proto::NetParameter net = OneBlob({2}, 2);
  net.mutable_layer(0)->mutable_blobs(0)->add_diff(1);
  EXPECT_TRUE(Contains(WeightsError(net.SerializeAsString()), "1 gradients for 2 values"));
}

TEST(ReadWeightsFile, ExplainsFilesOfAnotherKind) {
  EXPECT_EQ(WeightsError(""), "w: is empty, not a weights file (.caffemodel)");
  EXPECT_EQ(WeightsError("name: \"net\""), "w: is a text file, not a weights file (.caffemodel)");
  EXPECT_TRUE(
      Contains(WeightsError("\x89HDF\r\n\x1a\n...."), "is not an HDF5 file, or is truncated"));
  proto::SolverState state;
  state.set_iter(500);
  state.set_learned_net("lenet_iter_500.caffemodel");
  state.add_history()->add_data(1);
  EXPECT_EQ(WeightsError(state.SerializeAsString()),
            "w: is a solver state (iteration 500), not weights; pass it with --snapshot, or use "
            "its weights, lenet_iter_500.caffemodel");
  proto::NetParameter net;
  net.set_name("bare");
  EXPECT_TRUE(Contains(WeightsError(net.SerializeAsString()), "holds no layers"));
}

TEST(ReadWeightsFile, RefusesTruncatedFiles) {
  const std::string whole = OneBlob({100}, 100).SerializeAsString();
  for (const size_t size : {whole.size() - 1, whole.size() / 2, size_t{3}}) {
    EXPECT_TRUE(Contains(WeightsError(whole.substr(0, size)), "ends in the middle of its data"));
  }
}

// Damage is reported as an Error, if it is seen; nothing else is thrown, and nothing crashes.
TEST(ReadWeightsFile, SurvivesDamage) {
  std::mt19937 random(11);
  proto::NetParameter net = OneBlob({2, 3}, 6);
  net.mutable_layer(0)->mutable_blobs(0)->set_num(1);
  std::string whole = net.SerializeAsString() + RawNet(2, "abcdefgh", 4).SerializeAsString();
  const std::string path = WeightsFile(whole);
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    WriteTestFile(path, bytes);
    refused += !ErrorOf([&] { ReadWeightsFile(path); }).empty();
  }
  EXPECT_GT(refused, 100);
}

TEST(ReadMeanFile, ReadsABlob) {
  proto::BlobProto mean;
  mean.set_num(1);
  mean.set_channels(1);
  mean.set_height(1);
  mean.set_width(2);
  mean.add_data(1);
  mean.add_data(2);
  const auto path = TestFolder() / "mean.binaryproto";
  const SavedBlob blob = ReadMeanFile(WriteTestFile(path, mean.SerializeAsString()));
  EXPECT_EQ(blob.shape, (std::vector<int64_t>{1, 1, 1, 2}));
  EXPECT_EQ(blob.data, (std::vector<float>{1, 2}));
  WriteTestFile(path, "\x38\x01");
  EXPECT_TRUE(Contains(ErrorOf([&] { ReadMeanFile(path.string()); }), "holds no values"));
}

TEST(BlobConversion, RoundTrips) {
  SavedBlob blob;
  blob.shape = {2, 1};
  blob.data = {1, 2};
  blob.diff = {3, 4};
  proto::BlobProto out;
  out.add_data(99);  // is dropped
  ToProto(blob, true, &out);
  const SavedBlob back = FromProto(out, "b");
  EXPECT_EQ(back.shape, blob.shape);
  EXPECT_EQ(back.data, blob.data);
  EXPECT_EQ(back.diff, blob.diff);
  ToProto(blob, false, &out);
  EXPECT_EQ(out.diff_size(), 0);
  blob.double_data = {1.1, 2.2};
  blob.double_diff = {3.3, 4.4};
  ToProto(blob, true, &out);
  EXPECT_EQ(out.data_size() + out.diff_size(), 0);
  EXPECT_EQ(FromProto(out, "b").double_data, blob.double_data);
  EXPECT_EQ(FromProto(out, "b").double_diff, blob.double_diff);
  out.mutable_shape()->set_dim(0, 3);
  EXPECT_EQ(ErrorOf([&] { FromProto(out, "b"); }),
            "b: has 2 values, which does not match its shape (3, 1); the file is damaged");
}

// A scalar has no axis, and one value.
TEST(BlobConversion, KeepsScalars) {
  SavedBlob blob;
  blob.data = {5};
  proto::BlobProto out;
  ToProto(blob, false, &out);
  EXPECT_TRUE(out.has_shape());
  EXPECT_TRUE(FromProto(out, "b").shape.empty());
}

// Caffe writes no shape at all for it.
TEST(BlobConversion, TakesOneValueWithoutAShapeForAScalar) {
  proto::BlobProto blob;
  blob.add_data(5);
  EXPECT_TRUE(FromProto(blob, "b").shape.empty());
  EXPECT_FALSE(FromProto(blob, "b").legacy_shape);
  blob.add_data(6);
  EXPECT_TRUE(
      Contains(ErrorOf([&] { FromProto(blob, "b"); }), "has 2 values, which does not match"));
  blob.clear_data();
  EXPECT_TRUE(FromProto(blob, "b").data.empty());
}

TEST(ReadWeightsFile, ReadsAScalarAsCaffeWritesIt) {
  proto::NetParameter net = OneBlob({}, 1);
  net.mutable_layer(0)->mutable_blobs(0)->clear_shape();
  const auto layers = ReadWeightsFile(WeightsFile(net.SerializeAsString()));
  ASSERT_EQ(layers[0].blobs.size(), 1u);
  EXPECT_TRUE(layers[0].blobs[0].shape.empty());
  EXPECT_EQ(layers[0].blobs[0].data, std::vector<float>{0});
}

TEST(ReadWeightsFile, ReadsPublishedWeights) {
  const auto folder = ZooFolder() / "weights";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no published weights at " << folder;
  int read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string();
    const std::string extension = entry.path().extension().string();
    const std::string name = entry.path().filename().string();
    const bool is_state = name.find(".solverstate") != std::string::npos;
    const bool is_model = name.find(".caffemodel") != std::string::npos;
    if (is_state) {
      EXPECT_TRUE(Contains(ErrorOf([&] { ReadWeightsFile(path); }), "is a solver state"));
    } else if (extension == ".binaryproto") {
      EXPECT_EQ(ReadMeanFile(path).data.size(), 3u * 256 * 256);
    } else if (extension == ".caffemodel" || (is_model && extension == ".h5")) {
      EXPECT_EQ(IsHdf5File(path), extension == ".h5");
      size_t values = 0;
      for (const auto& layer : ReadWeightsFile(path)) {
        for (const auto& blob : layer.blobs) values += blob.data.size();
      }
      EXPECT_GT(values, 1000u) << path;
      ++read;
    }
  }
  EXPECT_GE(read, 6);
}

}  // namespace
}  // namespace crema
