#include "crema/dev/compile.h"

#include <gtest/gtest.h>

#include "crema.pb.h"
#include "net/net_test_util.h"
#include "schema/text_reader.h"

namespace crema::test {
namespace {

// Two losses, a shared parameter, a layer with state, one with scratch memory, an odd size.
const char kNet[] =
    "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 3 dim: 2 dim: 7 dim: 5 } "
    "} }"
    "layer { name: 'conv' type: 'Convolution' bottom: 'x' top: 'conv' "
    "convolution_param { num_output: 3 kernel_size: 3 } }"
    "layer { name: 'drop' type: 'Dropout' bottom: 'conv' top: 'drop' }"
    "layer { name: 'a' type: 'InnerProduct' bottom: 'drop' top: 'a' param { name: 'w' } "
    "inner_product_param { num_output: 5 } }"
    "layer { name: 'b' type: 'InnerProduct' bottom: 'drop' top: 'b' param { name: 'w' } "
    "inner_product_param { num_output: 5 } }"
    "layer { name: 'loss' type: 'EuclideanLoss' bottom: 'a' bottom: 'b' }";

TEST(CompileTest, ForeseesTheMemoryThatANetTakes) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
    for (const bool backward : {true, false}) {
      proto::NetParameter config = ParseNet(kNet);
      NetOptions options;
      options.dtype = dtype;
      options.backward = backward;
      const Net net(config, OpenDevice(DeviceKind::kCpu), options);
      const NetMemory plan = MemoryOf(CompileNet(config, DeviceKind::kCpu, options));
      EXPECT_EQ(plan.data, net.memory().data);
      EXPECT_EQ(plan.gradients, net.memory().gradients);
      EXPECT_EQ(plan.params, net.memory().params);
      EXPECT_EQ(plan.param_gradients, net.memory().param_gradients);
      EXPECT_EQ(plan.state, net.memory().state);
      EXPECT_EQ(plan.arena, net.memory().arena);
      EXPECT_EQ(plan.kept, net.memory().kept);
      EXPECT_EQ(plan.scratch, net.memory().scratch);
      EXPECT_GT(plan.Total(), 0u);
    }
  }
}

}  // namespace
}  // namespace crema::test
