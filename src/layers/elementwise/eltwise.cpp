// Eltwise: the product, the weighted sum or the maximum of its bottoms, element by element. A ReLU
// behind a sum of two is done in the same pass.
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/fusible.h"
#include "crema/dev/registry.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

template <class T>
void Multiply(const Context& ctx, int64_t count, const T* a, const T* b, T* out) {
  ForEach(ctx, count, [=] HD(int64_t i) { out[i] = a[i] * b[i]; });
}

template <class T>
void ProductForward(const Context& ctx, const BlobList& bottom, const Blob& top) {
  T* out = top.mutable_data<T>();
  for (size_t b = 1; b < bottom.size(); ++b) {
    Multiply<T>(ctx, top.count(), b == 1 ? bottom[0]->data<T>() : out, bottom[b]->data<T>(), out);
  }
}

// dx = dy * the other bottoms, which is right where x is 0.
template <class T>
void StableProductBackward(const Context& ctx, const BlobList& bottom, size_t which,
                           const Blob& top) {
  T* dx = bottom[which]->mutable_diff<T>();
  const T* left = top.diff<T>();
  for (size_t b = 0; b < bottom.size(); ++b) {
    if (b == which) continue;
    Multiply<T>(ctx, top.count(), left, bottom[b]->data<T>(), dx);
    left = dx;
  }
}

// dx = y / x * dy.
template <class T>
void QuotientBackward(const Context& ctx, const Blob& bottom, const Blob& top) {
  const T* x = bottom.data<T>();
  const T* y = top.data<T>();
  const T* dy = top.diff<T>();
  T* dx = bottom.mutable_diff<T>();
  ForEach(ctx, top.count(), [=] HD(int64_t i) { dx[i] = y[i] / x[i] * dy[i]; });
}

template <class T>
void SumForward(const Context& ctx, const BlobList& bottom, const Blob& top,
                const std::vector<float>& coeff) {
  T* out = top.mutable_data<T>();
  for (size_t b = 1; b < bottom.size(); ++b) {
    const T* left = b == 1 ? bottom[0]->data<T>() : out;
    const T* right = bottom[b]->data<T>();
    const T left_coeff = b == 1 ? coeff[0] : 1;
    const T right_coeff = coeff[b];
    ForEach(ctx, top.count(),
            [=] HD(int64_t i) { out[i] = left[i] * left_coeff + right[i] * right_coeff; });
  }
}

// max(sum, 0) + slope * min(sum, 0), of two bottoms.
template <class T>
void SumReluForward(const Context& ctx, const BlobList& bottom, const Blob& top,
                    const std::vector<float>& coeff, float negative_slope) {
  const T* left = bottom[0]->data<T>();
  const T* right = bottom[1]->data<T>();
  T* out = top.mutable_data<T>();
  const T left_coeff = coeff[0], right_coeff = coeff[1], slope = negative_slope;
  ForEach(ctx, top.count(), [=] HD(int64_t i) {
    const T sum = left[i] * left_coeff + right[i] * right_coeff;
    out[i] = sum > 0 ? sum : sum * slope;
  });
}

// The sign of the result is that of the sum.
template <class T>
void SumReluBackward(const Context& ctx, const Blob& bottom, const Blob& top, float coeff,
                     float negative_slope) {
  const T* y = top.data<T>();
  const T* dy = top.diff<T>();
  T* dx = bottom.mutable_diff<T>();
  const T factor = coeff, slope = coeff * negative_slope;
  ForEach(ctx, top.count(), [=] HD(int64_t i) { dx[i] = dy[i] * (y[i] > 0 ? factor : slope); });
}

template <class T>
void SumBackward(const Context& ctx, const Blob& bottom, const Blob& top, float coeff) {
  const T* dy = top.diff<T>();
  T* dx = bottom.mutable_diff<T>();
  if (dx == dy && coeff == 1) return;  // in place
  const T factor = coeff;
  ForEach(ctx, top.count(), [=] HD(int64_t i) { dx[i] = dy[i] * factor; });
}

// winner[i] is the bottom that the maximum came from. As in Caffe the second wins a tie with the
// first, and a later one has to be larger.
template <class T>
void MaxForward(const Context& ctx, const BlobList& bottom, const Blob& top, int32_t* winner) {
  T* out = top.mutable_data<T>();
  const T* first = bottom[0]->data<T>();
  const T* second = bottom[1]->data<T>();
  ForEach(ctx, top.count(), [=] HD(int64_t i) {
    const T a = first[i], b = second[i];
    out[i] = a > b ? a : b;
    winner[i] = a > b ? 0 : 1;
  });
  for (size_t later = 2; later < bottom.size(); ++later) {
    const T* x = bottom[later]->data<T>();
    const int32_t index = static_cast<int32_t>(later);
    ForEach(ctx, top.count(), [=] HD(int64_t i) {
      const T a = out[i], b = x[i];
      out[i] = b > a ? b : a;
      winner[i] = b > a ? index : winner[i];
    });
  }
}

// The same for who does not want to know where the maximum came from.
template <class T>
void MaxOnly(const Context& ctx, const BlobList& bottom, const Blob& top) {
  T* out = top.mutable_data<T>();
  for (size_t b = 1; b < bottom.size(); ++b) {
    const T* left = b == 1 ? bottom[0]->data<T>() : out;
    const T* right = bottom[b]->data<T>();
    const bool is_first = b == 1;
    ForEach(ctx, top.count(), [=] HD(int64_t i) {
      const T x = left[i], y = right[i];
      out[i] = is_first ? (x > y ? x : y) : (y > x ? y : x);
    });
  }
}

template <class T>
void MaxBackward(const Context& ctx, const Blob& bottom, int32_t index, const Blob& top,
                 const int32_t* winner) {
  const T* dy = top.diff<T>();
  T* dx = bottom.mutable_diff<T>();
  ForEach(ctx, top.count(), [=] HD(int64_t i) { dx[i] = winner[i] == index ? dy[i] : T(0); });
}

class EltwiseLayer : public Layer, public Fusible {
 public:
  EltwiseLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::EltwiseParameter& param = config.eltwise_param();
    if (param.coeff_size() > 0 && param.coeff_size() != config.bottom_size()) {
      Fail("has ", param.coeff_size(), " coeff for ", config.bottom_size(),
           " bottoms; give one per bottom, or none");
    }
    if (param.coeff_size() > 0 && param.operation() == proto::EltwiseParameter::PROD) {
      Fail("coeff works only with operation SUM, not with PROD; remove it");
    }
    coeff_.assign(config.bottom_size(), 1.0f);
    for (int i = 0; i < param.coeff_size(); ++i) coeff_[i] = param.coeff(i);
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Elementwise();
    traits.min_bottoms = 2;
    traits.max_bottoms = -1;
    traits.may_run_in_place = !IsProduct();
    traits.backward_needs_bottom_data = IsProduct();
    traits.backward_needs_top_data =
        relu_slope_.has_value() || (IsProduct() && !config().eltwise_param().stable_prod_grad());
    traits.backward_needs_only_signs = !IsProduct();
    return traits;
  }

  std::optional<WeightedSum> AsWeightedSum() const override {
    if (operation() != proto::EltwiseParameter::SUM || relu_slope_) return std::nullopt;
    return WeightedSum{coeff_};
  }

  // A ReLU behind a sum of two; in training not one whose result may have the other sign.
  bool TryAbsorb(const Consumer& next) override {
    const bool is_sum = operation() == proto::EltwiseParameter::SUM && coeff_.size() == 2;
    if (!is_sum || relu_slope_) return false;
    relu_slope_ = next.ReluSlopeOfSigns();
    return relu_slope_.has_value();
  }
  void BindConsumer(const Layer&, const BlobList&, const std::vector<bool>&) override {}

  LayerPlan Plan(const PlanInput& input) override {
    for (size_t b = 1; b < input.bottoms.size(); ++b) {
      if (input.shape(b) == input.shape(0)) continue;
      Fail("bottom 0 has shape ", input.shape(0).ToString(), " and bottom ", b, " has shape ",
           input.shape(b).ToString(), "; they must be equal");
    }
    LayerPlan plan;
    plan.tops = {input.shape(0)};
    saves_winner_ = operation() == proto::EltwiseParameter::MAX && input.runs_backward;
    if (saves_winner_) plan.state = {TensorSpec(input.shape(0), DType::kInt32)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, Run<T>(ctx, bottom, *top[0]));
  }

  // From the last bottom to the first: in place, the first one's gradient is written over the
  // top's.
  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    for (size_t b = bottom.size(); b-- > 0;) {
      if (!propagate_down[b]) continue;
      CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, RunBackward<T>(ctx, *top[0], bottom, b));
    }
  }

 private:
  proto::EltwiseParameter::EltwiseOp operation() const {
    return config().eltwise_param().operation();
  }
  bool IsProduct() const { return operation() == proto::EltwiseParameter::PROD; }

  template <class T>
  void Run(Context& ctx, const BlobList& bottom, const Blob& top) {
    switch (operation()) {
      case proto::EltwiseParameter::PROD: return ProductForward<T>(ctx, bottom, top);
      case proto::EltwiseParameter::SUM:
        if (relu_slope_.has_value())
          return SumReluForward<T>(ctx, bottom, top, coeff_, *relu_slope_);
        return SumForward<T>(ctx, bottom, top, coeff_);
      case proto::EltwiseParameter::MAX:
        if (saves_winner_) {
          return MaxForward<T>(ctx, bottom, top, state(0).mutable_data<int32_t>());
        }
        return MaxOnly<T>(ctx, bottom, top);
    }
  }

  template <class T>
  void RunBackward(const Context& ctx, const Blob& top, const BlobList& bottom, size_t b) {
    switch (operation()) {
      case proto::EltwiseParameter::PROD:
        if (config().eltwise_param().stable_prod_grad()) {
          return StableProductBackward<T>(ctx, bottom, b, top);
        }
        return QuotientBackward<T>(ctx, *bottom[b], top);
      case proto::EltwiseParameter::SUM:
        if (relu_slope_.has_value()) {
          return SumReluBackward<T>(ctx, *bottom[b], top, coeff_[b], *relu_slope_);
        }
        return SumBackward<T>(ctx, *bottom[b], top, coeff_[b]);
      case proto::EltwiseParameter::MAX:
        return MaxBackward<T>(ctx, *bottom[b], static_cast<int32_t>(b), top,
                              state(0).data<int32_t>());
    }
  }

  std::vector<float> coeff_;
  std::optional<float> relu_slope_;  // of the ReLU that was absorbed
  bool saves_winner_ = false;
};

CREMA_REGISTER_LAYER("Eltwise", EltwiseLayer);

}  // namespace
}  // namespace crema
