// Layers that say that several threads may run them at once: each thread gets what it gets alone.
// A build with ThreadSanitizer finds here what is written without saying so.
#include <memory>
#include <thread>

#include "crema/dev/host_tasks.h"
#include "layers/layer_uses.h"

namespace crema::test {
namespace {

using Values = std::vector<double>;

// What one thread has of a layer that several run at once.
struct Lane {
  explicit Lane(const LayerRunner& runner, const std::shared_ptr<Device>& device)
      : context(device, 1) {
    const auto copy = [&](const BlobList& from, std::vector<Blob>* to) {
      for (const Blob* blob : from) {
        to->emplace_back(blob->name(),
                         Tensor(device, blob->dtype(), blob->shape(), blob->layout()));
        to->back().data_tensor().FromHost(blob->data_tensor().ToHost<double>());
      }
    };
    copy(runner.bottom_blobs(), &bottoms);
    copy(runner.top_blobs(), &tops);
  }

  // In place is told by the address.
  void Forward(Layer* layer, bool in_place) {
    const PlansForThreads one(1);
    BlobList bottom, top;
    for (Blob& blob : bottoms) bottom.push_back(&blob);
    for (Blob& blob : tops) top.push_back(&blob);
    if (in_place) top[0] = bottom[0];
    layer->Forward(context, bottom, top);
  }

  Context context;
  std::vector<Blob> bottoms, tops;
};

class ReentrantTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Types, ReentrantTest, testing::ValuesIn(ExampleTypes()),
                         [](const auto& info) { return info.param; });

bool MayRunAtOnce(const LayerTraits& traits) {
  return traits.is_per_sample && traits.forward_is_reentrant;
}

constexpr int kThreads = 4, kRounds = 8;

void Check(const LayerUse& use, LayerRunner* runner) {
  const int64_t count = use.example.bottoms[0].count();
  std::vector<std::unique_ptr<Lane>> lanes;
  std::vector<Values> inputs, expected;
  for (int i = 0; i < kThreads; ++i) {
    inputs.push_back(RandomValues(count, 31 + i, 3));  // some take logarithms
    runner->SetBottom(0, inputs[i]);
    lanes.push_back(std::make_unique<Lane>(*runner, runner->context().shared_device()));
    runner->Forward();
    expected.push_back(runner->Top());
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const Tensor& input = lanes[i]->bottoms[0].data_tensor();
      for (int round = 0; round < kRounds; ++round) {
        input.FromHost(inputs[i]);  // in place it was written over
        lanes[i]->Forward(&runner->layer(), use.options.in_place);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kThreads; ++i) {
    const Blob& top = use.options.in_place ? lanes[i]->bottoms[0] : lanes[i]->tops[0];
    EXPECT_EQ(top.data_tensor().ToHost<double>(), expected[i]) << "thread " << i;
  }
}

TEST_P(ReentrantTest, ThreadsGetWhatEachGetsAlone) {
  const PlansForThreads one(1);  // as a net plans what it runs in lanes
  LayerUses uses;
  for (LayerUse use : uses.Of(GetParam())) {
    if (use.options.phase != Phase::kTest || use.options.device != DeviceKind::kCpu) continue;
    use.options.runs_backward = false;
    const auto runner = uses.Make(use);
    if (!MayRunAtOnce(runner->layer().traits())) continue;
    SCOPED_TRACE(use.ToString());
    Check(use, runner.get());
  }
}

}  // namespace
}  // namespace crema::test
