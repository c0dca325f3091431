#include "engines/onednn/convolution_passes.h"

#include <algorithm>

#include "crema/dev/host_tasks.h"
#include "layers/shared/vision/conv_setup.h"

namespace crema::onednn {

std::string ConvolutionPasses::Make(const ConvolutionProblem& problem, Arithmetic wished,
                                    const Epilogue& epilogue) {
  problem_ = problem;
  arithmetic_ = wished;
  std::string why_not = wished == Arithmetic::kBFloat16 ? WhyNotArithmetic(problem_, wished) : "";
  if (why_not.empty()) why_not = calls_.Make(problem_, arithmetic_, epilogue);
  if (!why_not.empty() && wished != Arithmetic::kDirect) {  // other sizes than at first
    arithmetic_ = Arithmetic::kDirect;
    why_not = calls_.Make(problem_, arithmetic_, epilogue);
  }
  if (why_not.empty()) calls_.MakeGradientMoves();
  return why_not;
}

void ConvolutionPasses::MakeForwardBands(const Epilogue& epilogue) {
  calls_.MakeForwardBands(problem_, arithmetic_, epilogue);
}

template <class F>
void ConvolutionPasses::ForEachCall(const F& run) const {
  for (int64_t image = 0; image < problem_.sizes.images; image += calls_.images) {
    for (int group = 0; group < calls_.groups; ++group) run(image, group);
  }
}

// Those of a group, packed into so many bytes or, 0, in Caffe's order.
const void* ConvolutionPasses::WeightsOf(int group, const void* weights, size_t packed) const {
  const size_t bytes = packed > 0 ? packed : GroupWeights() * sizeof(float);
  return static_cast<const char*>(weights) + group * bytes;
}

void ConvolutionPasses::Pack(Call* pack, size_t packed, const float* from, void* to,
                             char* scratch) const {
  for (int group = 0; group < calls_.groups; ++group) {
    pack->Run({{DNNL_ARG_FROM, WeightsOf(group, from, 0)},
               {DNNL_ARG_TO, static_cast<char*>(to) + group * packed},
               {DNNL_ARG_SCRATCHPAD, scratch}});
  }
}

void ConvolutionPasses::PackForward(const float* weights, void* to, char* scratch) {
  Pack(&calls_.pack_forward, calls_.packed_forward, weights, to, scratch);
}

void ConvolutionPasses::PackBackward(const float* weights, void* to, char* scratch) {
  Pack(&calls_.pack_backward, calls_.packed_backward, weights, to, scratch);
}

const void* ConvolutionPasses::ForwardWeights(const float* weights, char** scratch) {
  if (ForwardPackedBytes() == 0) return weights;
  char* const packed = *scratch;
  *scratch += ForwardPackedBytes();
  PackForward(weights, packed, *scratch);
  return packed;
}

const void* ConvolutionPasses::BackwardWeights(const float* weights, char** scratch) {
  if (BackwardPackedBytes() == 0) return weights;
  char* const packed = *scratch;
  *scratch += BackwardPackedBytes();
  PackBackward(weights, packed, *scratch);
  return packed;
}

size_t ConvolutionPasses::ForwardScratch() const {
  return std::max({calls_.bands.each.size() * calls_.bands.scratch_bytes,
                   calls_.forward.scratch_bytes(), calls_.pack_forward.scratchpad_bytes()});
}

size_t ConvolutionPasses::BackwardScratch() const {
  return std::max(calls_.backward_data.scratch_bytes(), calls_.pack_backward.scratchpad_bytes());
}

size_t ConvolutionPasses::GradientScratch() const {
  if (!problem_.wants_gradient) return 0;
  const size_t rest =
      std::max({calls_.backward_weights.scratch_bytes(), calls_.add_weights.scratchpad_bytes(),
                calls_.write_weights.scratchpad_bytes()});
  return std::max(calls_.gathered + calls_.gather.scratchpad_bytes(),
                  calls_.packed_gradient + BiasBytes() + rest);
}

void ConvolutionPasses::RunBands(const float* x, const void* weights, const float* bias, float* y,
                                 char* scratch) {
  std::vector<Band>& bands = calls_.bands.each;
  const int count = static_cast<int>(bands.size());
  HostTasks(count, count, [&](int i, int) {
    bands[i].forward.Run({{DNNL_ARG_SRC, x + bands[i].bottom},
                          {DNNL_ARG_WEIGHTS, weights},
                          {DNNL_ARG_BIAS, bias},
                          {DNNL_ARG_DST, y + bands[i].top}},
                         scratch + i * calls_.bands.scratch_bytes);
  });
}

void ConvolutionPasses::Forward(const float* x, const void* weights, const float* bias, float* y,
                                char* scratch) {
  if (!calls_.bands.each.empty()) {
    RunBands(x, weights, bias, y, scratch);
    return;
  }
  const ConvSizes& s = problem_.sizes;
  ForEachCall([&](int64_t image, int group) {
    calls_.forward.Run({{DNNL_ARG_SRC, x + image * s.BottomCount() + group * GroupChannels()},
                        {DNNL_ARG_WEIGHTS, WeightsOf(group, weights, calls_.packed_forward)},
                        {DNNL_ARG_BIAS, bias == nullptr ? nullptr : bias + group * GroupOutputs()},
                        {DNNL_ARG_DST, y + image * s.TopCount() + group * GroupOutputs()}},
                       scratch);
  });
}

void ConvolutionPasses::BottomGradient(const Context& ctx, const float* dy, const void* weights,
                                       float* dx, char* scratch) {
  const ConvSizes& s = problem_.sizes;
  if (calls_.leaves_out_pixels) {
    ctx.device().Zero(dx, s.images * s.BottomCount() * sizeof(float));
  }
  ForEachCall([&](int64_t image, int group) {
    calls_.backward_data.Run(
        {{DNNL_ARG_DIFF_DST, dy + image * s.TopCount() + group * GroupOutputs()},
         {DNNL_ARG_WEIGHTS, WeightsOf(group, weights, calls_.packed_backward)},
         {DNNL_ARG_DIFF_SRC, dx + image * s.BottomCount() + group * GroupChannels()}},
        scratch);
  });
}

void ConvolutionPasses::AddGradients(const Context& ctx, const float* x, const float* dy,
                                     const GradientTarget& d_weights, const GradientTarget& d_bias,
                                     char* scratch) {
  if (d_weights.sum == nullptr && d_bias.sum == nullptr) return;
  const ConvSizes& s = problem_.sizes;
  if (d_bias.overwrites) ctx.device().Zero(d_bias.sum, s.outputs * sizeof(float));
  if (calls_.gradient_is_product) {
    const ChannelView view{s.images * s.n(), s.outputs, 1};
    if (d_bias.sum != nullptr) BiasGradient<float>(ctx, view, dy, d_bias.sum);
    if (d_weights.sum != nullptr) AddProduct(x, dy, d_weights, scratch);
    return;
  }
  ForEachCall([&](int64_t image, int group) {
    AddOfGroup(ctx, group, x + image * s.BottomCount() + group * GroupChannels(),
               dy + image * s.TopCount() + group * GroupOutputs(),
               {d_weights.sum, d_weights.overwrites && image == 0}, d_bias.sum, scratch);
  });
}

// Of all images at once.
void ConvolutionPasses::AddProduct(const float* x, const float* dy, const GradientTarget& d_weights,
                                   char* scratch) {
  const ConvSizes& s = problem_.sizes;
  const int64_t pixels = s.images * s.n(), channels = s.geometry.channels;
  if (calls_.gathered > 0) {
    calls_.gather.Run({{DNNL_ARG_FROM, x},
                       {DNNL_ARG_TO, scratch},
                       {DNNL_ARG_SCRATCHPAD, scratch + calls_.gathered}});
    x = reinterpret_cast<const float*>(scratch);
  }
  const dnnl_status_t status =
      dnnl_sgemm('T', 'N', s.outputs, channels, pixels, 1, dy, s.outputs, x, channels,
                 d_weights.KeptShare(), d_weights.sum, channels);
  if (status != dnnl_success) {
    Fail("oneDNN's matrix product failed with status ", status, "; try engine: CAFFE");
  }
}

void ConvolutionPasses::AddOfGroup(const Context& ctx, int group, const float* x, const float* dy,
                                   const GradientTarget& d_weights, float* d_bias, char* scratch) {
  float* const made_bias = reinterpret_cast<float*>(scratch + calls_.packed_gradient);
  char* const rest = scratch + calls_.packed_gradient + BiasBytes();
  calls_.backward_weights.Run({{DNNL_ARG_SRC, x},
                               {DNNL_ARG_DIFF_DST, dy},
                               {DNNL_ARG_DIFF_WEIGHTS, scratch},
                               {DNNL_ARG_DIFF_BIAS, made_bias}},
                              rest);
  if (d_bias != nullptr) {
    AddParts<float>(ctx, GroupOutputs(), 1, made_bias, d_bias + group * GroupOutputs());
  }
  if (d_weights.sum == nullptr) return;
  Call& move = d_weights.overwrites ? calls_.write_weights : calls_.add_weights;
  move.Run({{DNNL_ARG_FROM, scratch},
            {DNNL_ARG_TO, d_weights.sum + group * GroupWeights()},
            {DNNL_ARG_SCRATCHPAD, rest}});
}

std::string WhyNotPasses(const ConvolutionProblem& problem, Arithmetic arithmetic) {
  if (problem.sizes.images == 0) return "the batch is empty";
  const std::string why_not = WhyNotArithmetic(problem, arithmetic);
  return why_not.empty() ? ConvolutionCalls().Make(problem, arithmetic, {}) : why_not;
}

std::string WhyNotInput(const EngineQuery& query) {
  if (query.input.dtype != DType::kFloat32) return "it supports float32 only";
  if (query.input.bottoms.empty()) return "there is no bottom";
  const Shape& bottom = query.input.shape(0);
  if (bottom.rank() < 3 || bottom.rank() > 5) return "it needs 1 to 3 spatial axes";
  const std::string title = "layer '" + query.config.name() + "' (" + query.config.type() + ")";
  const int axis = ChannelAxis(query.config.convolution_param(), bottom, title);
  return axis == 1 ? "" : "it needs axis: 1";
}

}  // namespace crema::onednn
