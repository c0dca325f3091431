// What the implementations of InnerProduct have in common: y = x W^T + b on the matrix of x, whose
// rows are the axes before `axis` and whose columns the others. W is (num_output x K), or
// (K x num_output) with `transpose`.
#pragma once

#include <vector>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/layer.h"
#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

struct ProductSizes {
  int64_t rows = 0, inputs = 0;
  int outputs = 0;
  bool transpose = false;  // of the stored weights
};

class InnerProductBase : public Layer {
 public:
  InnerProductBase(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::InnerProductParameter& p = config.inner_product_param();
    CheckGiven(Title() + ": num_output", p.has_num_output(), p.num_output(), 1, 1 << 30);
    weight_filler_ = ToFillerSpec(p.weight_filler(), Title() + ": weight_filler");
    bias_filler_ = ToFillerSpec(p.bias_filler(), Title() + ": bias_filler");
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::PerSample();
    traits.backward_needs_bottom_data = learns_weights_;
    traits.backward_needs_top_data = false;
    traits.is_per_sample = config().inner_product_param().axis() > 0;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const proto::InnerProductParameter& p = config().inner_product_param();
    const Shape& bottom = input.shape(0);
    const int axis = bottom.CanonicalAxis(p.axis(), Title() + ": axis");
    sizes_.rows = bottom.Count(0, axis);
    sizes_.inputs = bottom.CountFrom(axis);
    sizes_.outputs = static_cast<int>(p.num_output());
    sizes_.transpose = p.transpose();
    learns_weights_ = input.WantsGradient(0);
    learns_bias_ = p.bias_term() && input.WantsGradient(1);
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

  double ForwardFlops() const override {
    return 2.0 * sizes_.rows * sizes_.inputs * sizes_.outputs;
  }

 protected:
  ProductSizes sizes_;
  bool learns_weights_ = true, learns_bias_ = true;

 private:
  void CheckInputs(const Shape& bottom, int axis) const {
    if (sizes_.inputs < 1) {
      Fail("the input ", bottom.ToString(), " has no elements from axis ", axis, " onwards");
    }
    if (params().empty()) return;
    const int64_t expected = params()[0]->shape()[sizes_.transpose ? 0 : 1];
    if (sizes_.inputs != expected) {
      Fail("the input ", bottom.ToString(), " has ", sizes_.inputs, " values from axis ", axis,
           " onwards, but the weights need ", expected, "; use inputs of the same size");
    }
  }

  FillerSpec weight_filler_, bias_filler_;
};

}  // namespace CREMA_TARGET
}  // namespace crema
