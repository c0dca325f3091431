// InnerProduct: see layers/shared/dense/inner_product_base.h.
#include "crema/dev/for_each.h"
#include "crema/dev/gemm.h"
#include "crema/dev/reduce.h"
#include "crema/dev/registry.h"
#include "layers/shared/dense/inner_product_base.h"

namespace crema {
namespace {

template <class T>
void FillRows(const Context& ctx, const ProductSizes& s, const T* bias, T* y) {
  const int64_t cols = s.outputs;
  ForEach(ctx, s.rows, s.outputs, [=] HD(int64_t r, int c) { y[r * cols + c] = bias[c]; });
}

// `bias` may be null.
template <class T>
void ProductForward(const Context& ctx, const ProductSizes& s, const T* x, const T* weight,
                    const T* bias, T* y) {
  // The product adds to the bias that is there already.
  if (bias != nullptr) FillRows(ctx, s, bias, y);
  Gemm<T>(ctx, Transpose::kNo, s.transpose ? Transpose::kNo : Transpose::kYes, s.rows, s.outputs,
          s.inputs, 1, x, weight, bias != nullptr ? 1 : 0, y);
}

// `beta` is 0 or 1: d_weight = beta * d_weight + the gradient.
template <class T>
void WeightGradient(const Context& ctx, const ProductSizes& s, const T* x, const T* dy, T beta,
                    T* d_weight) {
  if (s.transpose) {
    Gemm<T>(ctx, Transpose::kYes, Transpose::kNo, s.inputs, s.outputs, s.rows, 1, x, dy, beta,
            d_weight);
  } else {
    Gemm<T>(ctx, Transpose::kYes, Transpose::kNo, s.outputs, s.inputs, s.rows, 1, dy, x, beta,
            d_weight);
  }
}

template <class T>
void BiasGradient(const Context& ctx, const ProductSizes& s, const T* dy, T beta, T* d_bias) {
  const int64_t outputs = s.outputs;
  ReduceChannels<SumOp, T>(
      ctx, ChannelView{s.rows, s.outputs, 1},
      [=] HD(int64_t r, int c, int) { return dy[r * outputs + c]; },
      [=] HD(int c, T total) { d_bias[c] = beta == 0 ? total : d_bias[c] + total; });
}

template <class T>
void BottomGradient(const Context& ctx, const ProductSizes& s, const T* dy, const T* weight,
                    T* dx) {
  Gemm<T>(ctx, Transpose::kNo, s.transpose ? Transpose::kYes : Transpose::kNo, s.rows, s.inputs,
          s.outputs, 1, dy, weight, 0, dx);
}

class InnerProductLayer : public InnerProductBase {
 public:
  using InnerProductBase::InnerProductBase;

  LayerTraits traits() const override {
    LayerTraits traits = InnerProductBase::traits();
    traits.overwrites_gradients = true;
    return traits;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, {
      const T* bias = params().size() > 1 ? param(1).data<T>() : nullptr;
      ProductForward<T>(ctx, sizes_, bottom[0]->data<T>(), param(0).data<T>(), bias,
                        top[0]->mutable_data<T>());
    });
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* dy = top[0]->diff<T>();
      if (wants_gradient(0)) {
        WeightGradient<T>(ctx, sizes_, bottom[0]->data<T>(), dy, overwrites_gradient(0) ? 0 : 1,
                          param(0).mutable_diff<T>());
      }
      if (params().size() > 1 && wants_gradient(1)) {
        BiasGradient<T>(ctx, sizes_, dy, overwrites_gradient(1) ? 0 : 1,
                        param(1).mutable_diff<T>());
      }
      if (propagate_down[0]) {
        BottomGradient<T>(ctx, sizes_, dy, param(0).data<T>(), bottom[0]->mutable_diff<T>());
      }
    });
  }
};

CREMA_REGISTER_LAYER("InnerProduct", InnerProductLayer);

}  // namespace
}  // namespace crema
