// RNN: a simple recurrent layer over sequences; see shared/recurrent.h for its bottoms, tops and
// parameters. The state is h; the layer's own parameters are W_o and b_o.
//   h_t = tanh(W_x x_t + b + W_h (cont_t h_(t-1))),   o_t = tanh(W_o h_t + b_o).
#include <cmath>

#include "crema/dev/registry.h"
#include "layers/shared/recurrent/recurrent.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

template <class T>
void TanhInPlace(const Context& ctx, int64_t count, T* y) {
  ForEach(ctx, count, [=] HD(int64_t i) { y[i] = std::tanh(y[i]); });
}

// dx = dy (1 - y^2), of y = tanh(x).
template <class T>
void TanhBackward(const Context& ctx, int64_t count, const T* y, const T* dy, T* dx) {
  ForEach(ctx, count, [=] HD(int64_t i) { dx[i] = dy[i] * (1 - y[i] * y[i]); });
}

// What Forward leaves for Backward, T x N x D; without a Backward `before` is that of one step.
template <class T>
struct RnnSteps {
  T* h;
  T* before;  // h of the step before, 0 where a sequence begins
};

class RnnLayer : public RecurrentLayer {
 public:
  RnnLayer(const proto::LayerParameter& config, Phase phase)
      : RecurrentLayer(config, phase, 1, 1) {}

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan = PlanSequences(input);
    const RecurrentSizes& s = sizes();
    plan.params.push_back({Shape{s.units, s.units}, weight_filler()});
    plan.params.push_back({Shape{s.units}, bias_filler()});
    saved_.Begin(input);
    saved_.Save(Shape{s.Rows(), s.units}, &plan);
    saved_.Save(Shape{input.runs_backward ? s.Rows() : s.sequences, s.units}, &plan);
    saved_.Use(Shape{s.sequences, s.units}, &plan);  // for the static input
    if (!input.runs_backward) return plan;
    // Gradients of the outputs' sums and of h for all steps, of one step's h, of the static input.
    backward_bytes_ =
        static_cast<size_t>(2 * s.Rows() * s.units + 3 * s.StepState()) * SizeOf(input.dtype);
    plan.scratch_bytes = std::max(plan.scratch_bytes, backward_bytes_);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, RunForward<T>(ctx, bottom, top));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, RunBackward<T>(ctx, top, propagate_down, bottom));
  }

  double ForwardFlops() const override {
    const RecurrentSizes& s = sizes();
    return 2.0 * s.Rows() * s.units * (s.inputs + 2 * s.units) +
           2.0 * s.sequences * s.units * s.static_inputs;
  }

 private:
  template <class T>
  static RnnSteps<T> StepsIn(const SavedForBackward::Pieces& memory) {
    return {memory.at<T>(kH), memory.at<T>(kBefore)};
  }

  template <class T>
  void RunForward(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const RecurrentSizes& s = sizes();
    const SavedForBackward::Pieces memory = saved_.Open(ctx, states());
    const RnnSteps<T> steps = StepsIn<T>(memory);
    const int64_t stride = saved_.saves() ? s.StepState() : 0;  // from step to step
    SumInputs(ctx, bottom, memory.at<T>(kStatic), steps.h);
    const T* h_prev = First<T>(bottom, 0);
    for (int64_t t = 0; t < s.steps; ++t) {
      T* before = steps.before + t * stride;
      T* h = steps.h + t * s.StepState();
      Continue(ctx, s, bottom[1]->data<T>() + t * s.sequences, h_prev, before);
      Product<T>(ctx, s.sequences, s.units, s.units, before, param(h_weight()).template data<T>(),
                 1, h);
      TanhInPlace(ctx, s.StepState(), h);
      h_prev = h;
    }
    ctx.device().Copy(Last<T>(top, 0), h_prev, static_cast<size_t>(s.StepState()) * sizeof(T));
    T* o = top[0]->mutable_data<T>();
    Product<T>(ctx, s.Rows(), s.units, s.units, steps.h, param(o_weight()).template data<T>(), 0,
               o);
    AddRow(ctx, s.Rows(), s.units, param(o_weight() + 1).template data<T>(), o);
    TanhInPlace(ctx, s.Rows() * s.units, o);
  }

  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                   const BlobList& bottom) {
    const RecurrentSizes& s = sizes();
    const RnnSteps<T> steps = StepsIn<T>(saved_.Saved(states()));
    const int64_t all = s.Rows() * s.units;
    T* d_sums = static_cast<T*>(ctx.Scratch(backward_bytes_));
    T* d_h = d_sums + all;
    T* d_step = d_h + all;
    T* d_before = d_step + s.StepState();
    T* shared = d_before + s.StepState();
    OutputBackward<T>(ctx, *top[0], d_sums, d_h);
    BeginBackward(ctx, s, LastGradient<T>(top, 0), d_before);
    for (int64_t t = s.steps - 1; t >= 0; --t) {
      const int64_t at = t * s.StepState();
      AddStates<T>(ctx, s.StepState(), d_before, d_h + at, d_step);
      TanhBackward(ctx, s.StepState(), steps.h + at, d_step, d_sums + at);
      ProductBackward<T>(ctx, s.sequences, s.units, s.units, nullptr,
                         param(h_weight()).template data<T>(), d_sums + at, d_step, nullptr);
      Continue<T>(ctx, s, bottom[1]->data<T>() + t * s.sequences, d_step, d_before);
    }
    EndBackward(ctx, s, d_before, FirstGradient<T>(bottom, propagate_down, 0));
    PropagateToBottoms(ctx, d_sums, steps.before, shared, bottom, propagate_down);
  }

  // The gradients of h from all outputs; `d_sums` is working memory here.
  template <class T>
  void OutputBackward(Context& ctx, const Blob& top, T* d_sums, T* d_h) {
    const RecurrentSizes& s = sizes();
    const int64_t all = s.Rows() * s.units;
    if (!top.has_diff()) {
      ctx.device().Zero(d_h, static_cast<size_t>(all) * sizeof(T));
      return;
    }
    TanhBackward(ctx, all, top.data<T>(), top.diff<T>(), d_sums);
    ProductBackward<T>(ctx, s.Rows(), s.units, s.units, StepsIn<T>(saved_.Saved(states())).h,
                       param(o_weight()).template data<T>(), d_sums, d_h, Gradient<T>(o_weight()));
    if (!wants_gradient(o_weight() + 1)) return;
    SumToOperand<T>(ctx, ChannelView{s.Rows(), static_cast<int>(s.units), 1}, d_sums, true,
                    Gradient<T>(o_weight() + 1));
  }

  int o_weight() const { return first_own_param(); }

  static constexpr int kH = 0, kBefore = 1, kStatic = 2;  // pieces

  SavedForBackward saved_;
  size_t backward_bytes_ = 0;
};

CREMA_REGISTER_LAYER("RNN", RnnLayer);

}  // namespace
}  // namespace crema
