// Embed: for each index of the bottom a learned vector of num_output numbers: an InnerProduct on
// one-hot vectors, without the zeros.
#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/loss/loss_labels.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

// `bias` may be null. A bad index gives the bias alone.
template <class T>
void LookUp(const Context& ctx, int count, int outputs, const LabelRule& rule, const T* index,
            const T* weight, const T* bias, T* y) {
  ForEach(ctx, count, outputs, [=] HD(int64_t i, int n) {
    const int64_t row = ReadLabel(index[i], rule);
    const T value = row < 0 ? T(0) : weight[row * outputs + n];
    y[i * outputs + n] = bias == nullptr ? value : value + bias[n];
  });
}

// Each column of the weights is added to by one thread, in the order of the indices, so that the
// sums do not depend on the number of threads.
template <class T>
void AddToRows(const Context& ctx, int count, int outputs, const LabelRule& rule, const T* index,
               const T* dy, T* weight_diff) {
  ForEach(ctx, outputs, [=] HD(int64_t n) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = ReadLabel(index[i], rule);
      if (row >= 0) weight_diff[row * outputs + n] += dy[i * outputs + n];
    }
  });
}

template <class T>
void AddToBias(const Context& ctx, int count, int outputs, const T* dy, T* bias_diff) {
  ReduceChannels<SumOp, double>(
      ctx, ChannelView{count, outputs, 1},
      [=] HD(int64_t i, int n, int) { return static_cast<double>(dy[i * outputs + n]); },
      [=] HD(int n, double total) { bias_diff[n] += static_cast<T>(total); });
}

class EmbedLayer : public LabelledLayer {
 public:
  EmbedLayer(const proto::LayerParameter& config, Phase phase) : LabelledLayer(config, phase) {
    const proto::EmbedParameter& param = config.embed_param();
    constexpr int kMost = std::numeric_limits<int>::max();
    CheckGiven(Title() + ": num_output", param.has_num_output(), param.num_output(), 1, kMost);
    CheckGiven(Title() + ": input_dim", param.has_input_dim(), param.input_dim(), 1, kMost,
               "it is the number of different indices");
    weight_filler_ = ToFillerSpec(param.weight_filler(), Title());
    bias_filler_ = ToFillerSpec(param.bias_filler(), Title());
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.backward_needs_top_data = false;
    traits.no_gradient_bottoms = {0};
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const proto::EmbedParameter& param = config().embed_param();
    const Shape& indices = input.shape(0);
    CheckRange(Title() + ": the number of indices", indices.count(), 0,
               std::numeric_limits<int>::max());
    count_ = static_cast<int>(indices.count());
    outputs_ = static_cast<int>(param.num_output());
    std::vector<int64_t> dims = indices.dims();
    dims.push_back(outputs_);
    LayerPlan plan;
    plan.tops = {Shape(dims)};
    plan.params = {{Shape{param.input_dim(), outputs_}, weight_filler_}};
    if (param.bias_term()) plan.params.push_back({Shape{outputs_}, bias_filler_});
    memory_.Begin(input);
    memory_.Use(Shape{count_}, &plan);
    PlanLabels(static_cast<int>(param.input_dim()), &plan.state);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    PrepareLabelCheck(ctx);
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* index = bottom[0]->data<T>();
      T* bad = memory_.Open(ctx, states()).at<T>(0);
      MarkBadLabels(ctx, count_, index, rule(), bad);
      RecordBad(ctx, count_, index, bad);
      const T* bias = has_bias() ? param(1).data<T>() : nullptr;
      LookUp(ctx, count_, outputs_, rule(), index, param(0).data<T>(), bias,
             top[0]->mutable_data<T>());
    });
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>&,
                const BlobList& bottom) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* dy = top[0]->diff<T>();
      if (wants_gradient(0)) {
        AddToRows(ctx, count_, outputs_, rule(), bottom[0]->data<T>(), dy,
                  param(0).mutable_diff<T>());
      }
      if (has_bias() && wants_gradient(1)) {
        AddToBias(ctx, count_, outputs_, dy, param(1).mutable_diff<T>());
      }
    });
  }

 protected:
  int LabelBottom() const override { return 0; }
  std::string Noun() const override { return "index value"; }
  std::string Advice() const override {
    return Concat("input_dim, ", rule().classes,
                  ", is the number of different indices; correct input_dim or the data");
  }

 private:
  bool has_bias() const { return config().embed_param().bias_term(); }

  int count_ = 0, outputs_ = 0;
  SavedForBackward memory_;
  FillerSpec weight_filler_, bias_filler_;
};

CREMA_REGISTER_LAYER("Embed", EmbedLayer);

}  // namespace
}  // namespace crema
