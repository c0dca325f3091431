// Calls of single layers, outside of a pass.
#include "net/run/layer_caller.h"

#include "net/run/sliced_net.h"

namespace crema::test {
namespace {

// The layers are those of a net, which has given them their parameters; the memory is another.
class LayerCallerTest : public testing::Test {
 protected:
  void Make(const std::string& text) {
    net_ = MakeNet("engine: 'CAFFE' " + text);
    memory_ = std::make_unique<PlannedMemory>(net_->graph());
    memory_->Adopt(memory_->Prepare(device_));
    memory_->SetArena(std::make_shared<Buffer>(device_, memory_->plan().memory.arena));
    for (size_t i = 0; i < net_->graph().blobs.size(); ++i) {
      blobs_.push_back(memory_->WholeBlob(static_cast<int>(i)));
    }
  }
  BlobList List(const std::vector<int>& indices) {
    BlobList list;
    for (int index : indices) list.push_back(&blobs_[index]);
    return list;
  }
  void Forward(int layer) {
    const LayerNode& node = net_->graph().layers[layer];
    LayerCaller(net_->graph(), *memory_)
        .Forward(layer, List(node.bottoms), List(node.tops), 0, &ctx_);
  }

  std::shared_ptr<Device> device_ = OpenDevice(DeviceKind::kCpu);
  Context ctx_{device_};
  std::unique_ptr<Net> net_;
  std::unique_ptr<PlannedMemory> memory_;
  std::vector<Blob> blobs_;
};

TEST_F(LayerCallerTest, LendsThePlannedScratchMemoryForTheCall) {
  Make(Input("x", {2, 3, 8, 8}) + Layer("c", "Convolution", {"x"}, {"c"},
                                        "convolution_param { num_output: 4 kernel_size: 3 "
                                        "weight_filler { type: 'gaussian' std: 1 } }"));
  const int layer = LayerOf(net_->graph(), "c");
  ASSERT_GT(memory_->plan().forward_scratch[layer].bytes, 0);
  blobs_[BlobOf(net_->graph(), "x")].data_tensor().FromHost(RandomValues(2 * 3 * 64, 3));
  Forward(layer);
  EXPECT_EQ(ctx_.scratch_bytes(), 0u);  // it needed no memory of the context's own
  EXPECT_EQ(ctx_.Scratch(0), nullptr);  // nothing is lent any more
  SetBlob(*net_, "x", RandomValues(2 * 3 * 64, 3));
  net_->Forward(0);
  ExpectNear(blobs_[BlobOf(net_->graph(), "c")].data_tensor().ToHost<double>(),
             ReadBlob(*net_, "c"), 1e-12);
}

TEST_F(LayerCallerTest, NamesTheLayerThatFails) {
  Make(Layer("d", "MemoryData", {}, {"x", "label"},
             "memory_data_param { batch_size: 2 channels: 1 height: 1 width: 3 }"));
  ExpectError([&] { Forward(0); }, {"layer 'd' (MemoryData)", "SetData"});
  EXPECT_EQ(ctx_.Scratch(0), nullptr);
}

}  // namespace
}  // namespace crema::test
