// Slices run outside of a pass; what they compute in nets is tested in slice_batch_test.cpp.
#include "net/run/slice_runner.h"

#include <atomic>

#include "net/run/sliced_net.h"
#include "util/limited_device.h"

namespace crema::test {
namespace {

NetOptions Options(const CompileOptions& compile) {
  NetOptions options;
  static_cast<CompileOptions&>(options) = compile;
  return options;
}

class SliceRunnerTest : public testing::Test {
 protected:
  SliceRunnerTest() {
    PlannedMemory::Next next = blobs_.Prepare();
    blobs_.ReserveArena(next);
    blobs_.Adopt(std::move(next));
    runner_.MakeContexts(ctx_);
  }

  std::shared_ptr<LimitedDevice> device_ = std::make_shared<LimitedDevice>();
  Context ctx_{device_};
  // Has given the layers their parameters.
  Net net_{ParseNet(SlicedText(), proto::TEST), device_, Options(SlicedOptions())};
  NetBlobs blobs_{net_.graph(), std::make_shared<Arena>(device_), device_};
  LayerCaller caller_{net_.graph(), blobs_.memory()};
  LifetimeCheck check_{blobs_.memory(), true};
  SliceRunner runner_{net_.graph(), &blobs_, caller_, check_, 2};
};

TEST_F(SliceRunnerTest, GivesWhatTheWholeBatchGives) {
  CompileOptions all = SlicedOptions();
  all.slice_bytes = 0;
  all.keep_blobs = true;
  Net whole(ParseNet(SlicedText(), proto::TEST), device_, Options(all));
  const std::vector<double> x = RandomValues(8 * 2 * 16 * 16, 3);
  SetBlob(whole, "x", x);
  whole.Forward(0);
  blobs_.Find("x")->data_tensor().FromHost(x);
  PassObserver nobody;
  runner_.SetStep(0);
  runner_.Run(0, &nobody);
  ExpectNear(blobs_.Find("b")->data_tensor().ToHost<double>(), ReadBlob(whole, "b"), 1e-5);
}

TEST_F(SliceRunnerTest, TellsOfEachLayerAndPart) {
  struct Counter : PassObserver {
    void AfterForward(int /*layer*/, int /*lane*/) override { ++calls; }
    std::atomic<int> calls{0};
  };
  Counter counter;
  runner_.Run(0, &counter);
  EXPECT_EQ(counter.calls, 3 * 4);  // a, r and b
}

TEST_F(SliceRunnerTest, ThrowsWhatAnObserverThrows) {
  struct Stop {};
  struct Stopper : PassObserver {
    void BeforeForward(int /*layer*/, int /*lane*/) override { throw Stop(); }
  };
  Stopper stopper;
  EXPECT_THROW(runner_.Run(0, &stopper), Stop);
}

TEST_F(SliceRunnerTest, ContextsStayOnceTheyAreThere) {
  const size_t used = device_->used();
  device_->set_limit(used);
  runner_.MakeContexts(ctx_);
  EXPECT_EQ(device_->used(), used);
}

}  // namespace
}  // namespace crema::test
