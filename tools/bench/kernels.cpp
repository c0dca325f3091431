// How close the kernels of crema's own code come to the memory's bandwidth: for each kind, the
// bytes that it must read and write at the least, over its time, as a share of a copy of large
// arrays in the same run (as in McCalpin's STREAM).
//
//   kernel_bench [MEGABYTES]   the size of each operand, 16 by default
//
// Prints, for each kernel forward and backward: GB/s, and the share. The best of several runs.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/net.h"
#include "schema/upgrade.h"
#include "solvers/update_rule.h"

namespace crema {
namespace {

double BestSeconds(const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  for (int i = 0; i < 9; ++i) {
    const Clock::time_point start = Clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

void CopyFloats(const Context& ctx, int64_t count, const float* in, float* out) {
  ForEach(ctx, count, [=] HD(int64_t i) { out[i] = in[i]; });
}

// Bytes a second of reading one array and writing another, the two counted.
double CopyRate(const Context& ctx, int64_t count) {
  const Tensor in(ctx.shared_device(), DType::kFloat32, Shape{count});
  const Tensor out(ctx.shared_device(), DType::kFloat32, Shape{count});
  ctx.device().Zero(in.raw(), in.bytes());
  const double seconds =
      BestSeconds([&] { CopyFloats(ctx, count, in.data<float>(), out.mutable_data<float>()); });
  return 2.0 * static_cast<double>(in.bytes()) / seconds;
}

// A layer on one or two bottoms of N x C x H x W. The bytes of a pass are those of so many tensors
// of the bottom's size; a pooled top is a quarter of one.
struct Kernel {
  const char* name;
  std::string layer;  // of the blobs x (and z) and y
  double forward, backward;
};

std::vector<Kernel> Kernels() {
  const auto layer = [](const char* type, const std::string& more = "") {
    return std::string("layer { name: 'k' type: '") + type + "' bottom: 'x' top: 'y' " + more +
           " }";
  };
  const std::string scale =
      "layer { name: 's' type: 'Scale' bottom: 'y' top: 'y' scale_param { bias_term: true } } ";
  const std::string relu = "layer { name: 'r' type: 'ReLU' bottom: 'y' top: 'y' }";
  return {
      {"ReLU", layer("ReLU"), 2, 3},
      {"TanH", layer("TanH"), 2, 3},
      {"Dropout", layer("Dropout"), 2, 2},
      {"Eltwise SUM", layer("Eltwise", "bottom: 'z'"), 3, 3},
      {"Scale + bias", layer("Scale", "scale_param { bias_term: true }"), 2, 5},
      {"BatchNorm", layer("BatchNorm"), 3, 5},
      {"BatchNorm + Scale + ReLU", layer("BatchNorm") + scale + relu, 3, 5},
      {"Max pooling 2/2", layer("Pooling", "pooling_param { kernel_size: 2 stride: 2 }"), 1.5, 1.5},
      {"Max pooling 3/2", layer("Pooling", "pooling_param { kernel_size: 3 stride: 2 }"), 1.5, 1.5},
      {"Mean pooling 3/2", layer("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }"),
       1.25, 1.25},
      {"LRN", layer("LRN"), 3, 4},
      {"Softmax", layer("Softmax"), 2, 3},
      {"Concat", layer("Concat", "bottom: 'z'"), 4, 4},
  };
}

// x and z are 16 images of 64 channels, large enough that no cache holds them.
std::unique_ptr<Net> MakeNet(const std::string& layer, int64_t bytes,
                             const std::shared_ptr<Device>& device) {
  const int64_t side = std::max<int64_t>(
      8, static_cast<int64_t>(std::sqrt(static_cast<double>(bytes) / (16 * 64 * sizeof(float)))));
  const std::string shape = "shape { dim: 16 dim: 64 dim: " + std::to_string(side) +
                            " dim: " + std::to_string(side) + " } ";
  proto::NetParameter config;
  ReadNetText(
      "force_backward: true layer { name: 'data' type: 'DummyData' top: 'x' top: 'z' "
      "dummy_data_param { " +
          shape + "data_filler { type: 'gaussian' std: 1 } } }" + layer,
      "kernel_bench", &config);
  config.mutable_state()->set_phase(proto::TRAIN);
  return std::make_unique<Net>(config, device);
}

void PrintLine(const char* name, const char* pass, double bytes, double seconds, double copy_rate) {
  std::printf("%-26s %-9s %8.2f ms %7.1f GB/s %6.0f %%\n", name, pass, 1e3 * seconds,
              1e-9 * bytes / seconds, 100 * bytes / seconds / copy_rate);
}

void RunKernel(const Kernel& kernel, int64_t bytes, const std::shared_ptr<Device>& device,
               double copy_rate) {
  const auto net = MakeNet(kernel.layer, bytes, device);
  net->Forward(0);
  net->Backward();
  const auto tensor = static_cast<double>(net->FindBlob("x")->data_tensor().bytes());
  const double forward = BestSeconds([&] { net->ForwardLayer(1); });
  PrintLine(kernel.name, "forward", kernel.forward * tensor, forward, copy_rate);
  const double backward = BestSeconds([&] { net->BackwardLayer(1); });
  PrintLine(kernel.name, "backward", kernel.backward * tensor, backward, copy_rate);
}

// Reads weights, gradients and the history, writes weights and the history.
void RunUpdate(const char* type, int64_t bytes, const Context& ctx, double copy_rate) {
  constexpr int64_t kBlock = 64;
  const int64_t blocks = bytes / static_cast<int64_t>(sizeof(float)) / kBlock;
  const auto make = [&](int64_t count) {
    Tensor tensor(ctx.shared_device(), DType::kFloat32, Shape{count});
    tensor.FromHost(std::vector<float>(static_cast<size_t>(count), 1e-3f));
    return tensor;
  };
  const auto rule = CreateUpdateRule(type, ctx.kind());
  UpdateStep step;
  step.weights = make(blocks * kBlock);
  step.gradients = make(blocks * kBlock);
  for (int h = 0; h < rule->history_count(); ++h) step.history.push_back(make(blocks * kBlock));
  step.rate_mults = make(blocks);
  step.decay_mults = make(blocks);
  step.gradient_factor = make(1);
  step.blocks = blocks;
  step.rate = 1e-3;
  step.momentum = 0.9;
  step.momentum2 = 0.999;
  step.decay = 1e-4;
  step.delta = 1e-8;
  const double tensors = 3 + 2.0 * rule->history_count();
  const double seconds = BestSeconds([&] { rule->Update(ctx, step); });
  PrintLine(type, "update", tensors * static_cast<double>(step.weights.bytes()), seconds,
            copy_rate);
}

int Run(int argc, char** argv) {
  const int64_t bytes = (argc > 1 ? std::max(1, std::atoi(argv[1])) : 16) * int64_t{1} << 20;
  const auto device = OpenDevice(DeviceKind::kCpu);
  const Context ctx(device);
  const double copy_rate = CopyRate(ctx, bytes / static_cast<int64_t>(sizeof(float)));
  std::printf("copy: %.1f GB/s with operands of %lld MB\n", 1e-9 * copy_rate,
              static_cast<long long>(bytes >> 20));
  for (const Kernel& kernel : Kernels()) RunKernel(kernel, bytes, device, copy_rate);
  for (const char* type : {"SGD", "Adam"}) RunUpdate(type, bytes, ctx, copy_rate);
  return 0;
}

}  // namespace
}  // namespace crema

int main(int argc, char** argv) {
  try {
    return crema::Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernel_bench: %s\n", error.what());
    return 1;
  }
}
