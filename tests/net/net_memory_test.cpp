// Nets when memory runs out, and how much they hold at once when they grow.
#include "net/net_test_util.h"
#include "util/limited_device.h"

namespace crema::test {
namespace {

// With much between its layers, a state, and little that is kept.
std::string ConvNet(int batch) {
  return Input("x", {batch, 2, 12, 12}) +
         Layer("c", "Convolution", {"x"}, {"c"},
               "convolution_param { num_output: 16 kernel_size: 3 pad: 1 weight_filler { type: "
               "'gaussian' std: 0.5 } }") +
         Layer("d", "Dropout", {"c"}, {"d"}) + Layer("t", "TanH", {"d"}, {"t"}) +
         Layer("s", "Reduction", {"t"}, {"s"}, "loss_weight: 1");
}

class NetMemoryTest : public testing::Test {
 protected:
  std::unique_ptr<Net> Make(int batch, const Net* shared = nullptr, bool backward = true) const {
    NetOptions options;
    options.share_params_with = options.share_memory_with = shared;
    options.backward = backward;
    return std::make_unique<Net>(ParseNet(ConvNet(batch)), device_, options);
  }
  static void SetInput(Net& net, int batch) {
    SetBlob(net, "x", RandomValues(batch * 2 * 12 * 12, 3));
  }
  static std::vector<double> GradientOf(Net& net) {
    ForwardBackward(net);
    return ReadParamDiff(net, "c", 0);
  }

  std::shared_ptr<LimitedDevice> device_ = std::make_shared<LimitedDevice>();
};

TEST_F(NetMemoryTest, ANetThatCannotGrowStaysAsItIs) {
  const auto net = Make(2);
  SetInput(*net, 2);
  const std::vector<double> before = GradientOf(*net);
  device_->set_limit(device_->used() + 1000);
  for (int again = 0; again < 2; ++again) {
    ExpectError([&] { net->Reshape({{"x", Shape{64, 2, 12, 12}}}); }, {"out of memory"});
    EXPECT_EQ(net->FindBlob("x")->shape(), (Shape{2, 2, 12, 12}));
    EXPECT_EQ(net->FindBlob("t")->shape(), (Shape{2, 16, 12, 12}));
    EXPECT_EQ(GradientOf(*net), before);  // its input, too, is still there
  }
  device_->set_limit(SIZE_MAX);
  net->Reshape({{"x", Shape{64, 2, 12, 12}}});
  SetInput(*net, 64);
  const auto fresh = Make(64);
  SetInput(*fresh, 64);
  EXPECT_EQ(GradientOf(*net), GradientOf(*fresh));
}

// Each of its allocations in turn is the one that fails.
TEST_F(NetMemoryTest, WhicheverPartDoesNotFit) {
  const auto net = Make(2);
  SetInput(*net, 2);
  const std::vector<double> before = GradientOf(*net);
  int failed = 0;
  for (size_t more = 0;; more += 20000) {
    device_->set_limit(device_->used() + more);
    const std::string error = [&]() -> std::string {
      try {
        net->Reshape({{"x", Shape{64, 2, 12, 12}}});
      } catch (const Error& e) {
        return e.what();
      }
      return "";
    }();
    if (error.empty()) break;
    ++failed;
    ASSERT_EQ(GradientOf(*net), before) << more;
  }
  EXPECT_GT(failed, 5);
  EXPECT_EQ(net->FindBlob("x")->shape(), (Shape{64, 2, 12, 12}));
}

TEST_F(NetMemoryTest, TheOldMemoryGoesBeforeTheNewOneComes) {
  const size_t empty = device_->used();
  const auto net = Make(40);
  const size_t old_arena = net->memory().arena;
  const size_t before = device_->used() - empty;
  net->Reshape({{"x", Shape{80, 2, 12, 12}}});
  const size_t kept_twice = before - old_arena;  // at most: it holds parameters, too
  EXPECT_LE(device_->peak() - empty, device_->used() - empty + kept_twice);
  EXPECT_GT(old_arena, kept_twice);
}

// A test net that does not fit must not take the training net with it.
TEST_F(NetMemoryTest, ANetThatSharesMemoryOutlivesOneThatDoesNotFit) {
  const auto train = Make(2);
  SetInput(*train, 2);
  const std::vector<double> before = GradientOf(*train);
  for (size_t more = 0; more < 400000; more += 20000) {
    device_->set_limit(device_->used() + more);
    ExpectError([&] { Make(256, train.get(), false); }, {"out of memory"});
    ASSERT_EQ(train->FindBlob("t")->count(), 2 * 16 * 144);
    ASSERT_EQ(GradientOf(*train), before) << more;
  }
}

TEST_F(NetMemoryTest, ALargerNetTakesTheArenaFromTheOthersFirst) {
  const auto train = Make(40);
  SetInput(*train, 40);
  const std::vector<double> before = GradientOf(*train);
  const size_t used = device_->used(), arena = train->memory().arena;
  const auto test = Make(100, train.get());
  ASSERT_GT(test->memory().arena, arena);
  EXPECT_EQ(device_->peak(), device_->used());
  EXPECT_LT(device_->used(), used + test->memory().Total());
  SetInput(*test, 100);
  LossOf(*test);
  EXPECT_EQ(GradientOf(*train), before);
}

}  // namespace
}  // namespace crema::test
