// Deconvolution: the transpose of a convolution (Zeiler, Krishnan, Taylor, Fergus: "Deconvolutional
// networks", 2010), which is what a convolution's backward pass does with its gradient: each value
// of the bottom adds its weights, times itself, to a window of the top. Weights are (C, num_output
// / group, kernel...), the bias is (num_output).
#include "crema/dev/registry.h"
#include "layers/shared/vision/conv_setup.h"
#include "layers/shared/vision/convolution.h"

namespace crema {
namespace {

template <class T>
void AddBias(const Context& ctx, const ChannelView& view, const T* bias, T* y) {
  const int channels = view.channels, inner = view.inner;
  ForEach(ctx, view.outer * channels, inner,
          [=] HD(int64_t r, int i) { y[r * inner + i] += bias[r % channels]; });
}

class DeconvolutionLayer : public ConvolutionBase {
 public:
  using ConvolutionBase::ConvolutionBase;

  LayerPlan Plan(const PlanInput& input) override {
    CheckBottoms(input.Shapes());
    const int axis = ChannelAxis(options(), input.shape(0), Title());
    sizes_ = DeconvolutionSizes(input, axis);
    pairs_ = static_cast<int>(input.bottoms.size());
    return PlanFor(input, input.bottoms.size(), axis, sizes_.geometry.in, sizes_);
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    for (size_t i = 0; i < bottom.size(); ++i) {
      CREMA_FLOAT_DISPATCH(bottom[i]->dtype(), T, {
        T* y = top[i]->mutable_data<T>();
        ConvBackward<T>(ctx, sizes_,
                        {nullptr, param(0).data<T>(), bottom[i]->data<T>(), y, nullptr});
        if (Bias<T>() != nullptr) AddBias(ctx, TopView(), Bias<T>(), y);
      });
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    for (size_t i = 0; i < top.size(); ++i) {
      CREMA_FLOAT_DISPATCH(top[i]->dtype(), T, {
        const T* dy = top[i]->diff<T>();
        if (params().size() > 1 && wants_gradient(1)) {
          BiasGradient<T>(ctx, TopView(), dy, param(1).mutable_diff<T>());
        }
        if (wants_gradient(0)) {
          ConvBackward<T>(
              ctx, sizes_,
              {dy, param(0).data<T>(), bottom[i]->data<T>(), nullptr, param(0).mutable_diff<T>()});
        }
        if (propagate_down[i]) {
          ConvForward<T>(ctx, sizes_, dy, param(0).data<T>(), nullptr,
                         bottom[i]->mutable_diff<T>());
        }
      });
    }
  }

  double ForwardFlops() const override {
    return 2.0 * pairs_ * sizes_.images * sizes_.WeightCount() * sizes_.n();
  }

 private:
  ChannelView TopView() const {
    return {sizes_.images, sizes_.geometry.channels, static_cast<int>(sizes_.geometry.InCount())};
  }

  ConvSizes sizes_;
  int pairs_ = 1;
};

CREMA_REGISTER_LAYER("Deconvolution", DeconvolutionLayer);

}  // namespace
}  // namespace crema
