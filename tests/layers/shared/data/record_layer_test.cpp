// The bases of the layers that give out records.
#include "layers/shared/data/record_layer.h"

#include <string>
#include <vector>

#include "crema.pb.h"
#include "layers/shared/data/prefetching_layer.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

const Shape kBatch{3};

// Its records are their own numbers. It notes what the base asks of it.
class NumbersLayer : public RecordLayer {
 public:
  NumbersLayer() : RecordLayer(proto::LayerParameter(), Phase::kTrain) {}
  LayerTraits traits() const override { return LayerTraits::Source(1, 1); }
  LayerPlan Plan(const PlanInput&) override {
    LayerPlan plan;
    plan.tops = {kBatch};
    return plan;
  }

  std::vector<std::string> calls;
  bool fails = false;

 protected:
  void Open(Context& ctx) override { calls.push_back("open " + std::to_string(ctx.seed())); }
  void GoTo(uint64_t position) override {
    calls.push_back("go to " + std::to_string(position));
    next_ = static_cast<float>(position);
  }
  void FillTops(Context& ctx, const BlobList& top) override {
    if (fails) Fail("cannot be read");
    Upload(ctx, {next_, next_ + 1, next_ + 2}, *top[0]);
    next_ += 3;
  }

 private:
  float next_ = 0;
};

class RecordLayerTest : public ::testing::Test {
 protected:
  std::vector<float> Next(Layer& layer) {
    layer.Forward(ctx_, {}, {&top_});
    return top_.data_tensor().ToHost<float>();
  }

  std::shared_ptr<Device> device_ = OpenTestDevice(DeviceKind::kCpu);
  Context ctx_{device_, 7};
  Blob top_{"data", Tensor(device_, DType::kFloat32, kBatch)};
};

TEST_F(RecordLayerTest, CountsWhatItGivesOut) {
  NumbersLayer layer;
  EXPECT_EQ(layer.position(), 0u);
  layer.Start(ctx_);
  EXPECT_EQ(Next(layer), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(Next(layer), (std::vector<float>{3, 4, 5}));
  EXPECT_EQ(layer.position(), 6u);
  EXPECT_EQ(layer.calls, (std::vector<std::string>{"open 7", "go to 0"}));
}

// A resumed training seeks before the first pass, where nothing is open yet.
TEST_F(RecordLayerTest, SeeksBeforeItStarts) {
  NumbersLayer layer;
  layer.Seek(4);
  EXPECT_TRUE(layer.calls.empty());
  EXPECT_EQ(layer.position(), 4u);
  layer.Start(ctx_);
  EXPECT_EQ(layer.calls, (std::vector<std::string>{"open 7", "go to 4"}));
  EXPECT_EQ(Next(layer), (std::vector<float>{4, 5, 6}));
}

TEST_F(RecordLayerTest, SeeksAtAnyTime) {
  NumbersLayer layer;
  layer.Start(ctx_);
  Next(layer);
  layer.Seek(20);
  EXPECT_EQ(Next(layer), (std::vector<float>{20, 21, 22}));
  EXPECT_EQ(layer.position(), 23u);
  layer.Seek(0);
  EXPECT_EQ(Next(layer), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(layer.calls, (std::vector<std::string>{"open 7", "go to 0", "go to 20", "go to 0"}));
}

TEST_F(RecordLayerTest, StaysWhereABatchFails) {
  NumbersLayer layer;
  layer.Start(ctx_);
  Next(layer);
  layer.fails = true;
  EXPECT_THROW(Next(layer), Error);
  EXPECT_EQ(layer.position(), 3u);
  layer.fails = false;
  EXPECT_EQ(Next(layer), (std::vector<float>{3, 4, 5}));
}

// Record k is the number k, its label -k.
class Numbers : public BatchMaker {
 public:
  explicit Numbers(uint64_t first) : next_(first) {}
  void Read(std::vector<Record>* records) override {
    records->resize(1);
    (*records)[0].ordinal = next_;
    next_ += 3;
  }
  void Make(const std::vector<Record>& records, int, Batch* batch) override {
    const auto first = static_cast<float>(records[0].ordinal);
    batch->data = {first, first + 1, first + 2};
    batch->labels = {-first, -first - 1, -first - 2};
  }

 private:
  uint64_t next_;
};

class AheadLayer : public PrefetchingLayer {
 public:
  AheadLayer() : PrefetchingLayer(proto::LayerParameter(), Phase::kTrain) {}
  LayerTraits traits() const override { return LayerTraits::Source(1, 2); }
  LayerPlan Plan(const PlanInput&) override { return {}; }
  using PrefetchingLayer::DecodingThreads;

  bool fails = false;

 protected:
  Batches MakeBatches(uint64_t position) override {
    if (fails) Fail("cannot be opened");
    return {std::make_unique<Numbers>(position), 3, 2};
  }
};

TEST_F(RecordLayerTest, TakesBatchesThatWereMadeAhead) {
  AheadLayer layer;
  EXPECT_EQ(layer.waited_seconds(), 0);
  layer.Start(ctx_);
  Blob labels("label", Tensor(device_, DType::kFloat64, kBatch));
  for (float first : {0.0f, 3.0f, 6.0f, 9.0f}) {
    layer.Forward(ctx_, {}, {&top_, &labels});
    EXPECT_EQ(top_.data_tensor().ToHost<float>(),
              (std::vector<float>{first, first + 1, first + 2}));
    EXPECT_EQ(labels.data_tensor().ToHost<float>(),
              (std::vector<float>{-first, -first - 1, -first - 2}));
  }
  EXPECT_EQ(layer.position(), 12u);
  EXPECT_GE(*layer.waited_seconds(), 0);
  layer.Seek(3);
  EXPECT_EQ(Next(layer), (std::vector<float>{3, 4, 5}));  // its labels are not asked for
}

TEST_F(RecordLayerTest, GoesLaterWhereItCouldNotGo) {
  AheadLayer layer;
  layer.Start(ctx_);
  layer.fails = true;
  EXPECT_THROW(layer.Seek(6), Error);
  EXPECT_THROW(Next(layer), Error);
  layer.fails = false;
  EXPECT_EQ(Next(layer), (std::vector<float>{6, 7, 8}));
}

TEST_F(RecordLayerTest, LeavesTheProcessorsToANetOnTheCpu) {
  EXPECT_EQ(AheadLayer::DecodingThreads(DeviceKind::kCpu, 2, 8), 2);
  EXPECT_EQ(AheadLayer::DecodingThreads(DeviceKind::kFake, 1, 8), 1);
  EXPECT_EQ(AheadLayer::DecodingThreads(DeviceKind::kCuda, 2, 1), 1);
  EXPECT_GE(AheadLayer::DecodingThreads(DeviceKind::kCuda, 2, 4), 1);
}

}  // namespace
}  // namespace crema::test
