// InnerProduct by oneDNN, in float32 and, as BF16, with factors that are rounded to bfloat16.
//
// Its kernels want the weights in an order of their own. To bring them into it takes about as long
// as a product with a hundred rows, so that it pays where the weights stay as they are, in phase
// TEST, and in training only with many rows of bfloat16. Our own code is faster with few rows.
#include <algorithm>
#include <optional>

#include "crema/dev/registry.h"
#include "engines/onednn/call.h"
#include "engines/onednn/primitives.h"
#include "engines/shared/epilogue.h"
#include "engines/shared/versioned_cache.h"
#include "layers/shared/dense/inner_product_base.h"
#include "layers/shared/elementwise/relu.h"

namespace crema {
namespace {

using dnnl::memory;
using Type = memory::data_type;

constexpr int64_t kLeastRows = 17;             // in float32; our own kernels take fewer
constexpr int64_t kLeastRowsOfBFloat16 = 128;  // in training

constexpr int64_t kMostWeights = int64_t{1} << 24;  // that are kept a second time unasked

struct ProductCalls {
  onednn::Call pack_forward, pack_backward;
  onednn::ConvertingCall forward, backward_data, backward_weights;
  size_t packed_forward = 0, packed_backward = 0, gradient = 0;  // bytes
  onednn::Call add_weights, write_weights;
};

class OnednnInnerProductLayer : public InnerProductBase, public Fusible {
 public:
  OnednnInnerProductLayer(const proto::LayerParameter& config, Phase phase, Precision precision)
      : InnerProductBase(config, phase),
        factors_(precision == Precision::kBFloat16 ? Type::bf16 : Type::f32) {}

  LayerTraits traits() const override {
    LayerTraits traits = InnerProductBase::traits();
    traits.backward_needs_bottom_data = learns_;
    traits.backward_needs_top_data = epilogue_.HasRelu() && !consumer_does_relu_;
    traits.overwrites_gradients = true;
    return traits;
  }

  // A ReLU.
  bool TryAbsorb(const Consumer& next) override {
    return next.ReluSlope().has_value() && epilogue_.TryAbsorb(next);
  }
  void BindConsumer(const Layer&, const BlobList&, const std::vector<bool>&) override {}

  std::optional<float> ReluBackwardSlope() const override {
    return epilogue_.HasRelu() ? std::optional<float>(epilogue_.slope()) : std::nullopt;
  }
  void LeaveReluBackwardToConsumer() override { consumer_does_relu_ = true; }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan = InnerProductBase::Plan(input);
    learns_ = learns_weights_ || learns_bias_;
    sends_ = input.Propagates(0);
    if (sizes_.rows == 0) return plan;
    const std::string why_not = MakeCalls();
    if (!why_not.empty()) {
      Fail("oneDNN cannot run with the input ", input.shape(0).ToString(), ": ", why_not,
           "; use engine: CAFFE");
    }
    packed_.Invalidate();
    plan.scratch_bytes = ScratchBytes();
    if (KeepsWeights()) {
      const auto words = static_cast<int64_t>((calls_.packed_forward + 3) / 4);
      plan.state.push_back({Shape{words}, DType::kInt32});
    }
    return plan;
  }

  SavedPlan SavePlan() override {
    const auto restore = [this, sizes = sizes_, weights = learns_weights_, bias = learns_bias_,
                          learns = learns_, sends = sends_, calls = calls_] {
      sizes_ = sizes;
      learns_weights_ = weights;
      learns_bias_ = bias;
      learns_ = learns;
      sends_ = sends;
      calls_ = calls;
      packed_.Invalidate();
    };
    return {restore, onednn::kBytesOfPlan};
  }

  // As Plan would say it, were all gradients wanted, or why our own code is faster.
  static std::string WhyNot(const EngineQuery& query, Precision precision) {
    if (query.input.dtype != DType::kFloat32) return "it supports float32 only";
    const bool rounds = precision == Precision::kBFloat16;
    if (rounds && !onednn::HasBFloat16()) return "this processor has no bfloat16 instructions";
    if (query.input.bottoms.empty()) return "there is no bottom";
    OnednnInnerProductLayer probe(query.config, query.input.phase, precision);
    probe.InnerProductBase::Plan(query.input);
    if (probe.sizes_.rows == 0) return "the batch is empty";
    const std::string why_not = probe.WhySlow(rounds);
    return why_not.empty() ? probe.MakeCalls() : why_not;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    if (sizes_.rows == 0) return;
    char* const scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    char* rest = scratch;
    const void* weights = param(0).data<float>();
    if (KeepsWeights()) {
      KeepWeights(scratch);
      weights = state(0).raw();
    } else if (calls_.packed_forward > 0) {
      rest = scratch + calls_.packed_forward;
      weights = Pack(&calls_.pack_forward, scratch, rest);
    }
    calls_.forward.Run({{DNNL_ARG_SRC, bottom[0]->data<float>()},
                        {DNNL_ARG_WEIGHTS, weights},
                        {DNNL_ARG_BIAS, params().size() > 1 ? param(1).data<float>() : nullptr},
                        {DNNL_ARG_DST, top[0]->mutable_data<float>()}},
                       rest);
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (sizes_.rows == 0) {
      ZeroOverwrittenGradients(ctx);
      return;
    }
    char* const scratch = static_cast<char*>(ctx.Scratch(ScratchBytes()));
    if (epilogue_.HasRelu() && !consumer_does_relu_) {
      ReluOwnGradient<float>(ctx, *top[0], epilogue_.slope());
    }
    const bool wants_bias = params().size() > 1 && wants_gradient(1);
    if (wants_gradient(0) || wants_bias) WeightGradients(ctx, *bottom[0], *top[0], scratch);
    if (!propagate_down[0]) return;
    char* const rest = scratch + calls_.packed_backward;
    const void* weights = param(0).data<float>();
    if (calls_.packed_backward > 0) weights = Pack(&calls_.pack_backward, scratch, rest);
    calls_.backward_data.Run({{DNNL_ARG_DIFF_DST, top[0]->diff<float>()},
                              {DNNL_ARG_WEIGHTS, weights},
                              {DNNL_ARG_DIFF_SRC, bottom[0]->mutable_diff<float>()}},
                             rest);
  }

 private:
  std::string WhySlow(bool rounds) const {
    const bool named =
        config().inner_product_param().engine() != proto::InnerProductParameter::DEFAULT;
    if (named) return "";
    if (phase() == Phase::kTest) {
      if (rounds) return "";
      if (sizes_.rows < kLeastRows) return "there are too few rows";
      return sizes_.inputs * sizes_.outputs <= kMostWeights
                 ? ""
                 : "the copy of the weights would be too large";
    }
    if (!rounds) return "weights that learn would be repacked in each pass";
    return sizes_.rows >= kLeastRowsOfBFloat16 ? "" : "there are too few rows";
  }

  bool has_bias() const { return config().inner_product_param().bias_term(); }

  static constexpr auto kAny = memory::format_tag::any;

  // Rows by columns, one row after the other.
  static memory::desc Matrix(int64_t rows, int64_t cols, Type type) {
    return {{rows, cols}, type, memory::format_tag::ab};
  }
  memory::desc Bottom(Type type) const { return Matrix(sizes_.rows, sizes_.inputs, type); }
  memory::desc Top(Type type) const { return Matrix(sizes_.rows, sizes_.outputs, type); }
  memory::desc Weights(Type type, memory::format_tag order) const {
    return {{sizes_.outputs, sizes_.inputs}, type, order};
  }
  memory::desc Bias() const {
    return has_bias() ? onednn::Plain(Shape{sizes_.outputs}) : memory::desc();
  }

  // In Caffe's order.
  memory::desc OwnWeights() const {
    return Weights(Type::f32, sizes_.transpose ? memory::format_tag::ba : memory::format_tag::ab);
  }

  // A call that brings the weights into this order, and the bytes that they take there; none where
  // it is Caffe's.
  void MakePack(const memory::desc& order, onednn::Call* call, size_t* bytes) const {
    if (order == OwnWeights()) return;
    *call = onednn::Reorder(OwnWeights(), order);
    *bytes = onednn::AlignUp(order.get_size());
  }

  // Returns why oneDNN cannot, or "". Makes no calls for gradients that nobody wants.
  std::string MakeCalls() try {
    dnnl::primitive_attr relu = onednn::CallerScratchpad();
    relu.set_post_ops(onednn::PostOps(epilogue_));
    const auto forward = onednn::InnerProductForward(
        {Bottom(factors_), Weights(factors_, kAny), Bias(), Top(Type::f32)},
        phase() == Phase::kTrain, relu);
    std::string why_not = onednn::WhyNotUse(forward, "the forward pass");
    if (!why_not.empty()) return why_not;
    calls_ = {};
    const memory::desc packed = forward.weights_desc(), bias = Bias();
    calls_.forward = {forward,
                      {{DNNL_ARG_SRC, Bottom(Type::f32), forward.src_desc()},
                       {DNNL_ARG_WEIGHTS, packed, packed},
                       {DNNL_ARG_BIAS, bias, bias},
                       {DNNL_ARG_DST, Top(Type::f32), forward.dst_desc(), true}}};
    MakePack(packed, &calls_.pack_forward, &calls_.packed_forward);
    if (sends_) why_not = MakeData(forward);
    return why_not.empty() && learns_ ? MakeGradient(forward) : why_not;
  } catch (const dnnl::error& error) {
    return error.what();
  }

  std::string MakeData(const dnnl::inner_product_forward::primitive_desc& forward) {
    const auto data = onednn::InnerProductBackwardData(
        {Bottom(Type::f32), Weights(factors_, kAny), {}, Top(factors_)}, onednn::CallerScratchpad(),
        forward);
    const std::string why_not = onednn::WhyNotUse(data, "the bottom's gradient");
    if (!why_not.empty()) return why_not;
    const memory::desc packed = data.weights_desc();
    calls_.backward_data = {data,
                            {{DNNL_ARG_DIFF_DST, Top(Type::f32), data.diff_dst_desc()},
                             {DNNL_ARG_WEIGHTS, packed, packed},
                             {DNNL_ARG_DIFF_SRC, Bottom(Type::f32), data.diff_src_desc(), true}}};
    MakePack(packed, &calls_.pack_backward, &calls_.packed_backward);
    return "";
  }

  std::string MakeGradient(const dnnl::inner_product_forward::primitive_desc& forward) {
    const auto gradient = onednn::InnerProductBackwardWeights(
        {Bottom(factors_), Weights(Type::f32, kAny), Bias(), Top(factors_)},
        onednn::CallerScratchpad(), forward);
    const std::string why_not = onednn::WhyNotUse(gradient, "the weights' gradient");
    if (!why_not.empty()) return why_not;
    const memory::desc order = gradient.diff_weights_desc(), bias = Bias();
    calls_.backward_weights = {gradient,
                               {{DNNL_ARG_SRC, Bottom(Type::f32), gradient.src_desc()},
                                {DNNL_ARG_DIFF_DST, Top(Type::f32), gradient.diff_dst_desc()},
                                {DNNL_ARG_DIFF_WEIGHTS, order, order},
                                {DNNL_ARG_DIFF_BIAS, bias, bias}}};
    calls_.gradient = onednn::AlignUp(order.get_size());
    calls_.add_weights = onednn::Reorder(order, OwnWeights(), true);
    calls_.write_weights = onednn::Reorder(order, OwnWeights());
    return "";
  }

  size_t BiasBytes() const { return onednn::AlignUp(sizes_.outputs * sizeof(float)); }

  size_t ScratchBytes() const {
    const size_t gradients = learns_ ? calls_.gradient + BiasBytes() : 0;
    return std::max({calls_.packed_forward + calls_.forward.scratch_bytes(),
                     calls_.packed_forward + calls_.pack_forward.scratchpad_bytes(),
                     calls_.packed_backward + calls_.backward_data.scratch_bytes(),
                     calls_.packed_backward + calls_.pack_backward.scratchpad_bytes(),
                     gradients + calls_.backward_weights.scratch_bytes(),
                     gradients + calls_.add_weights.scratchpad_bytes(),
                     gradients + calls_.write_weights.scratchpad_bytes()});
  }

  bool KeepsWeights() const { return phase() == Phase::kTest && calls_.packed_forward > 0; }

  const void* Pack(onednn::Call* pack, void* to, void* scratchpad) {
    pack->Run({{DNNL_ARG_FROM, param(0).data<float>()},
               {DNNL_ARG_TO, to},
               {DNNL_ARG_SCRATCHPAD, scratchpad}});
    return to;
  }

  // The packed weights, in state 0; made anew where the weights or their place have changed.
  void KeepWeights(void* scratchpad) {
    packed_.Refresh({VersionOf(param(0)), {state(0).raw(), 0}},
                    [&] { Pack(&calls_.pack_forward, state(0).raw(), scratchpad); });
  }

  // Adds to those that are wanted, or begins them.
  void WeightGradients(const Context& ctx, const Blob& bottom, const Blob& top, char* scratch) {
    float* const bias = reinterpret_cast<float*>(scratch + calls_.gradient);
    char* const rest = scratch + calls_.gradient + BiasBytes();
    calls_.backward_weights.Run({{DNNL_ARG_SRC, bottom.data<float>()},
                                 {DNNL_ARG_DIFF_DST, top.diff<float>()},
                                 {DNNL_ARG_DIFF_WEIGHTS, scratch},
                                 {DNNL_ARG_DIFF_BIAS, bias}},
                                rest);
    if (params().size() > 1 && wants_gradient(1)) {
      float* const sum = param(1).mutable_diff<float>();
      const bool overwrites = overwrites_gradient(1);
      ForEach(ctx, sizes_.outputs,
              [=] HD(int64_t i) { sum[i] = bias[i] + (overwrites ? 0 : sum[i]); });
    }
    if (!wants_gradient(0)) return;
    onednn::Call& move = overwrites_gradient(0) ? calls_.write_weights : calls_.add_weights;
    move.Run({{DNNL_ARG_FROM, scratch},
              {DNNL_ARG_TO, param(0).mutable_diff<float>()},
              {DNNL_ARG_SCRATCHPAD, rest}});
  }

  const Type factors_;
  ProductCalls calls_;
  bool learns_ = true, sends_ = true;  // which gradients are wanted
  Epilogue epilogue_;
  bool consumer_does_relu_ = false;
  VersionedCache packed_;  // the weights in state 0
};

EngineRegistration Register(Precision precision) {
  return {
      "ONEDNN",
      "InnerProduct",
      DeviceKind::kCpu,
      [=](const proto::LayerParameter& config, Phase phase) -> std::unique_ptr<Layer> {
        return std::make_unique<OnednnInnerProductLayer>(config, phase, precision);
      },
      [=](const EngineQuery& query) { return OnednnInnerProductLayer::WhyNot(query, precision); },
      "",
      precision};
}

const EngineRegistration registrations[] = {Register(Precision::kBFloat16),
                                            Register(Precision::kFloat32)};

}  // namespace
}  // namespace crema
