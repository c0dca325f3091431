// Tensors as the blobs of files, and back.
#include "tensor/saved_tensor.h"

#include "crema.pb.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class SavedTensorTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (!IsSkipped()) device_ = OpenTestDevice(device());
  }
  Tensor Make(DType dtype, Shape shape, Layout layout = Layout::kPlain) const {
    return Tensor(device_, dtype, std::move(shape), layout);
  }
  std::shared_ptr<Device> device_;
};
CREMA_ON_ALL_DEVICES(SavedTensorTest);

const double kThird = 1.0 / 3.0;

TEST_P(SavedTensorTest, HoldsDoublesExactlyAndRounded) {
  const Tensor tensor = Make(DType::kFloat64, {2});
  tensor.FromHost(std::vector<double>{kThird, -2});
  const SavedBlob blob = SaveTensor(tensor);
  EXPECT_EQ(blob.shape, (std::vector<int64_t>{2}));
  EXPECT_EQ(blob.data, (std::vector<float>{static_cast<float>(kThird), -2}));
  EXPECT_EQ(blob.double_data, (std::vector<double>{kThird, -2}));
  EXPECT_TRUE(blob.diff.empty());
  EXPECT_TRUE(blob.double_diff.empty());
  const Tensor restored = Make(DType::kFloat64, {2});
  RestoreTensor(blob, restored);
  EXPECT_EQ(restored.ToHost<double>(), (std::vector<double>{kThird, -2}));
}

TEST_P(SavedTensorTest, HoldsFloatsOnce) {
  const Tensor tensor = Make(DType::kFloat32, {3});
  tensor.FromHost(std::vector<float>{1, 2.5f, -3});
  const SavedBlob blob = SaveTensor(tensor);
  EXPECT_EQ(blob.data, (std::vector<float>{1, 2.5f, -3}));
  EXPECT_TRUE(blob.double_data.empty());
  // Into the other type, and another shape of as many values.
  const Tensor restored = Make(DType::kFloat64, {3, 1});
  RestoreTensor(blob, restored);
  EXPECT_EQ(restored.ToHost<double>(), (std::vector<double>{1, 2.5, -3}));
}

TEST_P(SavedTensorTest, HoldsGradientsBesideValues) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    const Tensor values = Make(dtype, {2}), gradient = Make(dtype, {2});
    values.FromHost(std::vector<double>{1, 2});
    gradient.FromHost(std::vector<double>{3, kThird});
    const std::vector<double> written = gradient.ToHost<double>();
    const SavedBlob blob = SaveTensor(values, &gradient);
    EXPECT_EQ(blob.diff, (std::vector<float>{3, static_cast<float>(kThird)}));
    gradient.FromHost(std::vector<double>{0, 0});
    RestoreGradient(blob, gradient);
    EXPECT_EQ(gradient.ToHost<double>(), written);
    EXPECT_EQ(values.ToHost<double>(), (std::vector<double>{1, 2}));
  }
}

// Channels-last memory is another matter than the order in files.
TEST_P(SavedTensorTest, KeepsCaffesOrder) {
  const std::vector<float> values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const Tensor last = Make(DType::kFloat32, {1, 3, 2, 2}, Layout::kChannelsLast);
  last.FromHost(values);
  const SavedBlob blob = SaveTensor(last);
  EXPECT_EQ(blob.data, values);
  const Tensor plain = Make(DType::kFloat32, {1, 3, 2, 2});
  RestoreTensor(blob, plain);
  EXPECT_EQ(plain.ToHost<float>(), values);
}

TEST_P(SavedTensorTest, PassesThroughAMessage) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    const Tensor tensor = Make(dtype, {4});
    tensor.FromHost(std::vector<double>{kThird, -0.0, 1e30, 5});
    proto::BlobProto message;
    SaveTensor(tensor, {2, 2}, &message);
    const SavedBlob blob = FromProto(message, "the blob");
    EXPECT_EQ(blob.shape, (std::vector<int64_t>{2, 2}));
    EXPECT_EQ(message.double_data_size(), dtype == DType::kFloat64 ? 4 : 0);
    EXPECT_EQ(message.diff_size() + message.double_diff_size(), 0);
    const Tensor restored = Make(dtype, {4});
    RestoreTensor(blob, restored);
    EXPECT_EQ(restored.ToHost<double>(), tensor.ToHost<double>());
  }
}

TEST_P(SavedTensorTest, RefusesAnotherNumberOfValues) {
  const Tensor three = Make(DType::kFloat32, {3}), two = Make(DType::kFloat32, {2});
  three.FromHost(std::vector<float>{1, 2, 3});
  const SavedBlob blob = SaveTensor(three);
  EXPECT_THROW(RestoreTensor(blob, two), Error);
  EXPECT_THROW(RestoreGradient(blob, three), Error);  // it has none
}

}  // namespace
}  // namespace crema::test
