// A host as an engine has them, small enough to run on any device: compiled once a target, as a
// layer file is.
#include "crema/dev/registry.h"
#include "engines/shared/fold.h"

namespace crema::test {
namespace {

template <class T>
void MultiplyAdd(const Context& ctx, int64_t rows, int channels, const T* x, const T* weights,
                 const T* bias, float negative_slope, T* y) {
  const T slope = negative_slope;
  const int64_t length = channels;
  ForEach(ctx, rows, channels, [=] HD(int64_t r, int c) {
    const T value = x[r * length + c] * weights[c] + bias[c];
    y[r * length + c] = value > 0 ? value : value * slope;
  });
}

// y = x * weight + bias for each column, and what an Epilogue absorbs but sums. Only forward.
class FoldingHostLayer : public crema::Layer, public Fusible {
 public:
  using crema::Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.may_run_in_place = traits.has_backward = traits.accepts_channels_last = false;
    traits.forward_is_reentrant = false;
    return traits;
  }

  bool TryAbsorb(const Consumer& next) override {
    Epilogue both = epilogue_;
    if (!both.TryAbsorb(next) || both.Adds()) return false;
    epilogue_ = both;
    return true;
  }

  void BindConsumer(const crema::Layer& consumer, const BlobList& params,
                    const std::vector<bool>&) override {
    epilogue_.BindParams(consumer, params);
  }

  LayerPlan Plan(const PlanInput& input) override {
    channels_ = static_cast<int>(input.shape(0)[1]);
    ParamDecl numbers;
    numbers.shape = Shape{channels_};
    numbers.filler.type = "gaussian";
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    plan.params = {numbers, numbers};
    folded_.Invalidate();
    if (!epilogue_.ChangesWeights()) return plan;
    plan.state = {TensorSpec(numbers.shape), TensorSpec(numbers.shape)};
    plan.scratch_bytes = FoldScratchBytes(channels_);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, Run<T>(ctx, *bottom[0], *top[0]));
  }

 private:
  template <class T>
  void Run(Context& ctx, const Blob& bottom, const Blob& top) {
    const T *weights = param(0).template data<T>(), *bias = param(1).template data<T>();
    if (epilogue_.ChangesWeights()) {
      std::vector<VersionedSource> sources = epilogue_.Sources();
      for (const Blob* own : params()) sources.push_back(VersionOf(*own));
      folded_.Refresh(std::move(sources), [&] {
        Fold<T>(ctx, epilogue_, channels_, 1, weights, bias,
                ctx.Scratch(FoldScratchBytes(channels_)), state(0).template mutable_data<T>(),
                state(1).template mutable_data<T>());
      });
      weights = state(0).template data<T>();
      bias = state(1).template data<T>();
    }
    MultiplyAdd<T>(ctx, bottom.shape()[0], channels_, bottom.data<T>(), weights, bias,
                   epilogue_.HasRelu() ? epilogue_.slope() : 1.0f, top.mutable_data<T>());
  }

  Epilogue epilogue_;
  VersionedCache folded_;
  int channels_ = 0;
};

CREMA_REGISTER_LAYER("FoldingHostOfTests", FoldingHostLayer);

}  // namespace
}  // namespace crema::test
