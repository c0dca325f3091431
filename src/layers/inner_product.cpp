// InnerProduct: y = x W^T + b on the matrix of x, whose rows are the axes before `axis` and whose
// columns the others. W is (num_output x K), or (K x num_output) with `transpose`.
#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "crema/math/for_each.h"
#include "crema/math/gemm.h"
#include "crema/math/reduce.h"

namespace crema {
namespace {

struct ProductSizes {
  int64_t rows = 0, inputs = 0;
  int outputs = 0;
  bool transpose = false;  // of the stored weights
};

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

template <class T>
void WeightGradient(const Context& ctx, const ProductSizes& s, const T* x, const T* dy,
                    T* d_weight) {
  if (s.transpose) {
    Gemm<T>(ctx, Transpose::kYes, Transpose::kNo, s.inputs, s.outputs, s.rows, 1, x, dy, 1,
            d_weight);
  } else {
    Gemm<T>(ctx, Transpose::kYes, Transpose::kNo, s.outputs, s.inputs, s.rows, 1, dy, x, 1,
            d_weight);
  }
}

template <class T>
void BiasGradient(const Context& ctx, const ProductSizes& s, const T* dy, T* d_bias) {
  const int64_t outputs = s.outputs;
  ReduceChannels<SumOp, T>(
      ctx, ChannelView{s.rows, s.outputs, 1},
      [=] HD(int64_t r, int c, int) { return dy[r * outputs + c]; },
      [=] HD(int c, T total) { d_bias[c] += total; });
}

template <class T>
void BottomGradient(const Context& ctx, const ProductSizes& s, const T* dy, const T* weight,
                    T* dx) {
  Gemm<T>(ctx, Transpose::kNo, s.transpose ? Transpose::kYes : Transpose::kNo, s.rows, s.inputs,
          s.outputs, 1, dy, weight, 0, dx);
}

class InnerProductLayer : public Layer {
 public:
  InnerProductLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::InnerProductParameter& p = config.inner_product_param();
    if (p.num_output() < 1 || p.num_output() > (1u << 30)) {
      Fail("num_output is ", p.num_output(), "; give a number of outputs of at least 1");
    }
    weight_filler_ = ToFillerSpec(p.weight_filler(), Title() + ": weight_filler");
    bias_filler_ = ToFillerSpec(p.bias_filler(), Title() + ": bias_filler");
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.backward_needs_top_data = false;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    const proto::InnerProductParameter& p = config().inner_product_param();
    const Shape& bottom = bottoms[0];
    const int axis = bottom.CanonicalAxis(p.axis(), Title() + ": axis");
    sizes_.rows = bottom.Count(0, axis);
    sizes_.inputs = bottom.CountFrom(axis);
    sizes_.outputs = static_cast<int>(p.num_output());
    sizes_.transpose = p.transpose();
    CheckInputs(bottom, axis);

    std::vector<int64_t> top(bottom.dims().begin(), bottom.dims().begin() + axis);
    top.push_back(sizes_.outputs);
    LayerPlan plan;
    plan.tops = {Shape(top)};
    plan.params.push_back({sizes_.transpose ? Shape{sizes_.inputs, sizes_.outputs}
                                            : Shape{sizes_.outputs, sizes_.inputs},
                           weight_filler_});
    if (p.bias_term()) plan.params.push_back({Shape{sizes_.outputs}, bias_filler_});
    return plan;
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
        WeightGradient<T>(ctx, sizes_, bottom[0]->data<T>(), dy, param(0).mutable_diff<T>());
      }
      if (params().size() > 1 && wants_gradient(1)) {
        BiasGradient<T>(ctx, sizes_, dy, param(1).mutable_diff<T>());
      }
      if (propagate_down[0]) {
        BottomGradient<T>(ctx, sizes_, dy, param(0).data<T>(), bottom[0]->mutable_diff<T>());
      }
    });
  }

  double ForwardFlops() const override {
    return 2.0 * sizes_.rows * sizes_.inputs * sizes_.outputs;
  }

 private:
  void CheckInputs(const Shape& bottom, int axis) const {
    if (sizes_.inputs < 1) {
      Fail("the input ", bottom.ToString(), " has no elements from axis ", axis, " on");
    }
    if (params().empty()) return;
    const int64_t expected = params()[0]->shape()[sizes_.transpose ? 0 : 1];
    if (sizes_.inputs != expected) {
      Fail("the input ", bottom.ToString(), " has ", sizes_.inputs, " values from axis ", axis,
           " on, but the weights are for ", expected, "; keep the size of the input");
    }
  }

  FillerSpec weight_filler_, bias_filler_;
  ProductSizes sizes_;
};

CREMA_REGISTER_LAYER("InnerProduct", InnerProductLayer);

}  // namespace
}  // namespace crema
