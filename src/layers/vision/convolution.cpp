// Convolution: y[n, o, p] = b[o] + sum over c and taps t of
//   w[o, c, t] * x[n, c, stride p - pad + dilation t].
// Weights are (num_output, C / group, kernel...), the bias is (num_output).
#include "layers/shared/vision/convolution.h"

#include "crema/dev/registry.h"
#include "layers/shared/vision/conv_setup.h"

namespace crema {
namespace {

class ConvolutionLayer : public ConvolutionBase {
 public:
  using ConvolutionBase::ConvolutionBase;

  LayerPlan Plan(const PlanInput& input) override {
    CheckBottoms(input.Shapes());
    const int axis = ChannelAxis(options(), input.shape(0), Title());
    sizes_ = ConvolutionSizes(input, axis);
    pairs_ = static_cast<int>(input.bottoms.size());
    return PlanFor(input, input.bottoms.size(), axis, sizes_.geometry.out, sizes_);
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    for (size_t i = 0; i < bottom.size(); ++i) {
      CREMA_FLOAT_DISPATCH(bottom[i]->dtype(), T,
                           ConvForward<T>(ctx, sizes_, bottom[i]->data<T>(), param(0).data<T>(),
                                          Bias<T>(), top[i]->mutable_data<T>()));
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    for (size_t i = 0; i < top.size(); ++i) {
      CREMA_FLOAT_DISPATCH(top[i]->dtype(), T, {
        const T* dy = top[i]->diff<T>();
        ConvBackward<T>(ctx, sizes_,
                        {wants_gradient(0) ? bottom[i]->data<T>() : nullptr, param(0).data<T>(), dy,
                         propagate_down[i] ? bottom[i]->mutable_diff<T>() : nullptr,
                         wants_gradient(0) ? param(0).mutable_diff<T>() : nullptr});
        if (params().size() > 1 && wants_gradient(1)) {
          BiasGradient<T>(ctx, {sizes_.images, sizes_.outputs, static_cast<int>(sizes_.n())}, dy,
                          param(1).mutable_diff<T>());
        }
      });
    }
  }

  double ForwardFlops() const override {
    return 2.0 * pairs_ * sizes_.images * sizes_.WeightCount() * sizes_.n();
  }

 private:
  ConvSizes sizes_;
  int pairs_ = 1;
};

CREMA_REGISTER_LAYER("Convolution", ConvolutionLayer);

}  // namespace
}  // namespace crema
