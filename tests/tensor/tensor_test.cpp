#include "crema/tensor.h"

#include <cstdint>
#include <limits>

#include "crema/blob.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class TensorTest : public LayerTest {
 protected:
  void SetUp() override {
    LayerTest::SetUp();
    if (!IsSkipped()) device_ = OpenTestDevice(device());
  }
  std::shared_ptr<Device> device_;
};
CREMA_ON_ALL_DEVICES(TensorTest);

TEST_P(TensorTest, HoldsValuesOfEachType) {
  const std::vector<double> values = {1, -2, 3, 100, -5, 6};
  for (DType dtype : {DType::kFloat32, DType::kFloat64, DType::kInt32}) {
    const Tensor tensor(device_, dtype, {2, 3}, Layout::kChannelsLast);
    EXPECT_EQ(tensor.dtype(), dtype);
    EXPECT_EQ(tensor.layout(), Layout::kChannelsLast);
    EXPECT_EQ(tensor.count(), 6);
    EXPECT_EQ(tensor.bytes(), 6 * SizeOf(dtype));
    EXPECT_EQ(&tensor.device(), device_.get());
    tensor.FromHost(values);
    EXPECT_EQ(tensor.ToHost<double>(), values);
    EXPECT_EQ(tensor.ToHost<float>(), std::vector<float>(values.begin(), values.end()));
    EXPECT_EQ(tensor.ToHost<int32_t>(), std::vector<int32_t>(values.begin(), values.end()));
    tensor.FromHost(std::vector<int32_t>{6, 5, 4, 3, 2, 1});
    EXPECT_EQ(tensor.ToHost<double>(), (std::vector<double>{6, 5, 4, 3, 2, 1}));
  }
}

TEST_P(TensorTest, CopiesShareMemory) {
  const Tensor tensor(device_, DType::kFloat32, {4});
  const Tensor copy = tensor;
  copy.FromHost(std::vector<float>{1, 2, 3, 4});
  EXPECT_EQ(tensor.ToHost<float>(), (std::vector<float>{1, 2, 3, 4}));
  const Tensor reshaped = tensor.Reshaped({2, 2});
  EXPECT_EQ(reshaped.shape(), (Shape{2, 2}));
  EXPECT_EQ(reshaped.data<float>(), tensor.data<float>());
}

TEST_P(TensorTest, ViewsShareABuffer) {
  auto buffer = std::make_shared<Buffer>(device_, 10 * sizeof(float));
  const Tensor all(buffer, 0, DType::kFloat32, {10});
  const Tensor part(buffer, 4 * sizeof(float), DType::kFloat32, {2, 3});
  all.FromHost(std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(part.ToHost<float>(), (std::vector<float>{4, 5, 6, 7, 8, 9}));
  part.FromHost(std::vector<float>{-4, -5, -6, -7, -8, -9});
  EXPECT_EQ(all.ToHost<float>(), (std::vector<float>{0, 1, 2, 3, -4, -5, -6, -7, -8, -9}));
}

TEST_P(TensorTest, KeepsItsDeviceAlive) {
  std::weak_ptr<Device> watched = device_;
  Tensor tensor(device_, DType::kFloat32, {1});
  device_.reset();
  EXPECT_FALSE(watched.expired());
  tensor.FromHost(std::vector<float>{3});
  EXPECT_EQ(tensor.ToHost<float>(), std::vector<float>{3});
  tensor = Tensor();
  EXPECT_TRUE(watched.expired());
}

TEST_P(TensorTest, TakesEmptyBatchesAndScalars) {
  const Tensor none(device_, DType::kFloat64, {0, 3});
  EXPECT_FALSE(none.empty());
  none.FromHost(std::vector<double>{});
  EXPECT_TRUE(none.ToHost<double>().empty());
  const Tensor scalar(device_, DType::kFloat64, Shape());
  scalar.FromHost(std::vector<double>{2.5});
  EXPECT_EQ(scalar.ToHost<double>(), std::vector<double>{2.5});
}

TEST(TensorChecksTest, TooLargeForAnyMachine) {
  const std::shared_ptr<Device> cpu = OpenDevice(DeviceKind::kCpu);
  ExpectError([&] { Tensor(cpu, DType::kFloat64, {int64_t{1} << 62}); }, {"too many elements"});
}

TEST(TensorChecksTest, MisuseThrows) {
  const std::shared_ptr<Device> cpu = OpenDevice(DeviceKind::kCpu);
  const Tensor tensor(cpu, DType::kFloat32, {4});
  ExpectError([&] { tensor.data<double>(); }, {"type float32", "4 (4)", "read as float64"});
  ExpectError([&] { tensor.Reshaped({5}); }, {"4 (4)", "5 (5)", "number of elements"});
  ExpectError([&] { tensor.FromHost(std::vector<float>{1}); }, {"4 (4)", "1 values", "exactly 4"});
  ExpectError([&] { Tensor(tensor.buffer(), 4, DType::kFloat32, {4}); },
              {"4 (4)", "byte 4", "buffer of 16 bytes"});
  const size_t last = std::numeric_limits<size_t>::max();
  ExpectError([&] { Tensor(tensor.buffer(), last, DType::kFloat32, {1}); }, {"buffer of 16 bytes"});
}

TEST(TensorChecksTest, EmptyTensorsCannotBeUsed) {
  const Tensor none;
  ExpectError([&] { none.raw(); }, {"empty tensor"});
  ExpectError([&] { none.ToHost<float>(); }, {"empty tensor"});
  ExpectError([&] { none.FromHost(std::vector<float>{1}); }, {"empty tensor"});
  ExpectError([&] { Tensor(nullptr, DType::kFloat32, {1}); }, {"without a device"});
  ExpectError([&] { Tensor(std::shared_ptr<Buffer>(), 0, DType::kFloat32, {1}); },
              {"buffer of 0 bytes"});
}

TEST(DTypeTest, SizesAndNames) {
  EXPECT_EQ(SizeOf(DType::kFloat32), sizeof(float));
  EXPECT_EQ(SizeOf(DType::kFloat64), sizeof(double));
  EXPECT_EQ(SizeOf(DType::kInt32), sizeof(int32_t));
  EXPECT_STREQ(ToString(DType::kFloat32), "float32");
  EXPECT_STREQ(ToString(DType::kFloat64), "float64");
  EXPECT_STREQ(ToString(DType::kInt32), "int32");
}

TEST(BlobTest, HoldsValuesAndMaybeAGradient) {
  const std::shared_ptr<Device> cpu = OpenDevice(DeviceKind::kCpu);
  const Tensor values(cpu, DType::kFloat32, {2, 3}), gradient(cpu, DType::kFloat32, {2, 3});
  const Blob with("a", values, gradient), without("b", values);
  EXPECT_EQ(with.name(), "a");
  EXPECT_EQ(with.shape(), (Shape{2, 3}));
  EXPECT_EQ(with.count(), 6);
  EXPECT_TRUE(with.has_diff());
  EXPECT_FALSE(without.has_diff());
  EXPECT_EQ(with.data<float>(), values.data<float>());
  EXPECT_EQ(with.mutable_diff<float>(), gradient.mutable_data<float>());
}

}  // namespace
}  // namespace crema::test
