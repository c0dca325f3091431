// What RNN and LSTM share: sequences as T x N x ..., where they begin, a static input, states that
// are carried from batch to batch or passed in and out, and the products that all steps need.
//
// Bottoms: x (T x N x ...), cont (T x N; 0 where a sequence begins, 1 where it goes on), perhaps a
// static input (N x ...), and with expose_hidden the states before the first step (each 1 x N x D).
// Tops: one of T x N x D, and with expose_hidden the states after the last step. Without it these
// are kept, and continued in the next batch where its cont[0] is 1.
// Parameters: W_x (G x inputs), b (G), perhaps W_static (G x static inputs), W_h (G x D), and those
// of the layer itself. G is the number of sums each step makes: 4 D in an LSTM, D in an RNN.
#pragma once

#include <string>
#include <vector>

#include "base/counted.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/carries_state.h"
#include "crema/dev/for_each.h"
#include "crema/dev/gemm.h"
#include "crema/dev/layer.h"
#include "layers/shared/elementwise/broadcast.h"

namespace crema {
inline namespace CREMA_TARGET {

struct RecurrentSizes {
  int64_t steps = 0, sequences = 0, inputs = 0, static_inputs = 0, units = 0, sums = 0;

  int64_t Rows() const { return steps * sequences; }       // of everything that has all steps
  int64_t StepState() const { return sequences * units; }  // values of one step's state
  int64_t StepSums() const { return sequences * sums; }
};

// y (rows x outputs) = x (rows x inputs) w^T.
template <class T>
void Product(const Context& ctx, int64_t rows, int64_t outputs, int64_t inputs, const T* x,
             const T* w, T beta, T* y) {
  Gemm<T>(ctx, Transpose::kNo, Transpose::kYes, rows, outputs, inputs, 1, x, w, beta, y);
}

// What a Product sends back: dx = dy w if dx is not null, dw += dy^T x if dw is not null.
template <class T>
void ProductBackward(const Context& ctx, int64_t rows, int64_t outputs, int64_t inputs, const T* x,
                     const T* w, const T* dy, T* dx, T* dw) {
  if (dw != nullptr) {
    Gemm<T>(ctx, Transpose::kYes, Transpose::kNo, outputs, inputs, rows, 1, dy, x, 1, dw);
  }
  if (dx != nullptr) {
    Gemm<T>(ctx, Transpose::kNo, Transpose::kNo, rows, inputs, outputs, 1, dy, w, 0, dx);
  }
}

// y[r] += b, for rows of `length`.
template <class T>
void AddRow(const Context& ctx, int64_t rows, int64_t length, const T* b, T* y) {
  ForEach(ctx, rows, static_cast<int>(length),
          [=] HD(int64_t r, int i) { y[r * length + i] += b[i]; });
}

// Adds the same (N x length) to each of the steps.
template <class T>
void AddToSteps(const Context& ctx, const RecurrentSizes& s, const T* part, T* y) {
  const int64_t sequences = s.sequences, length = s.sums;
  ForEach(ctx, s.Rows(), static_cast<int>(length),
          [=] HD(int64_t r, int i) { y[r * length + i] += part[r % sequences * length + i]; });
}

template <class T>
void SumOfSteps(const Context& ctx, const RecurrentSizes& s, const T* y, T* sum) {
  const int64_t steps = s.steps, step = s.StepSums();
  ForEach(ctx, step, [=] HD(int64_t i) {
    T total = 0;
    for (int64_t t = 0; t < steps; ++t) total += y[t * step + i];
    sum[i] = total;
  });
}

// out = cont * h, for each sequence; what was before a sequence does not count, whatever it is.
template <class T>
void Continue(const Context& ctx, const RecurrentSizes& s, const T* cont, const T* h, T* out) {
  const int64_t units = s.units;
  ForEach(ctx, s.sequences, static_cast<int>(units), [=] HD(int64_t n, int d) {
    out[n * units + d] = cont[n] == 0 ? T(0) : cont[n] * h[n * units + d];
  });
}

// sum = a + b; b may be null, and `sum` may be a.
template <class T>
void AddStates(const Context& ctx, int64_t count, const T* a, const T* b, T* sum) {
  ForEach(ctx, count, [=] HD(int64_t i) { sum[i] = b == nullptr ? a[i] : a[i] + b[i]; });
}

// The gradient of the last state, or zeros if nobody sends one.
template <class T>
void BeginBackward(Context& ctx, const RecurrentSizes& s, const T* last, T* gradient) {
  const size_t bytes = static_cast<size_t>(s.StepState()) * sizeof(T);
  if (last == nullptr) {
    ctx.device().Zero(gradient, bytes);
  } else {
    ctx.device().Copy(gradient, last, bytes);
  }
}

// The gradient of the first state, to where it is wanted.
template <class T>
void EndBackward(Context& ctx, const RecurrentSizes& s, const T* gradient, T* first) {
  if (first == nullptr) return;
  ctx.device().Copy(first, gradient, static_cast<size_t>(s.StepState()) * sizeof(T));
}

class RecurrentLayer : public Layer, public CarriesState {
 public:
  // `hidden` states, and sums_per_unit sums for each unit in each step.
  RecurrentLayer(const proto::LayerParameter& config, Phase phase, int hidden, int sums_per_unit)
      : Layer(config, phase), hidden_(hidden), sums_per_unit_(sums_per_unit) {
    const proto::RecurrentParameter& param = config.recurrent_param();
    CheckGiven(Title() + ": num_output", param.has_num_output(), param.num_output(), 1, 1 << 24);
    const int exposed = param.expose_hidden() ? hidden : 0;
    has_static_ = config.bottom_size() > 2 + exposed;
    if (config.bottom_size() < 2 + exposed || config.bottom_size() > 3 + exposed) {
      Fail("has ", Counted(config.bottom_size(), "bottom"),
           ", expected x, cont, optionally a static input",
           exposed > 0 ? Concat(", and with expose_hidden ", exposed, " for the first state") : "");
    }
    if (config.top_size() != 1 + exposed) {
      Fail("has ", Counted(config.top_size(), "top"), ", expected ", 1 + exposed,
           exposed > 0 ? " (with expose_hidden, including the last state)" : "");
    }
    weight_filler_ = ToFillerSpec(param.weight_filler(), Title());
    bias_filler_ = ToFillerSpec(param.bias_filler(), Title());
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.min_bottoms = 2;
    traits.max_bottoms = 3 + hidden_;
    traits.max_tops = 1 + hidden_;
    traits.no_gradient_bottoms = {1};
    traits.can_recompute = false;  // the carried state goes on
    return traits;
  }

  std::vector<Tensor> carried() const override {
    std::vector<Tensor> states;
    for (int i = 0; i < hidden_; ++i) states.push_back(state(i));
    return states;
  }

  // What is carried to the next batch begins as zeros.
  void Start(Context& ctx) override {
    for (int i = 0; i < hidden_; ++i) {
      ctx.device().Zero(state(i).raw(), state(i).bytes());
    }
  }

 protected:
  bool exposed() const { return config().recurrent_param().expose_hidden(); }
  bool has_static() const { return has_static_; }
  const RecurrentSizes& sizes() const { return sizes_; }
  const FillerSpec& weight_filler() const { return weight_filler_; }
  const FillerSpec& bias_filler() const { return bias_filler_; }

  int h_weight() const { return has_static_ ? 3 : 2; }  // index of the parameter W_h
  int first_own_param() const { return h_weight() + 1; }

  // Tops, the shared parameters, and the carried states, which come first; checks all bottoms.
  LayerPlan PlanSequences(const PlanInput& input) {
    const std::vector<Shape> bottoms = input.Shapes();
    CheckBottoms(bottoms);
    const Shape& x = bottoms[0];
    sizes_.steps = x[0];
    sizes_.sequences = x[1];
    sizes_.inputs = x.CountFrom(2);
    sizes_.static_inputs = has_static_ ? bottoms[2].CountFrom(1) : 0;
    sizes_.units = config().recurrent_param().num_output();
    sizes_.sums = sizes_.units * sums_per_unit_;
    const Shape hidden{1, x[1], sizes_.units};
    CheckHidden(bottoms, hidden);
    LayerPlan plan;
    plan.tops = {Shape{x[0], x[1], sizes_.units}};
    if (exposed()) plan.tops.insert(plan.tops.end(), hidden_, hidden);
    plan.params = {{Shape{sizes_.sums, sizes_.inputs}, weight_filler_},
                   {Shape{sizes_.sums}, bias_filler_}};
    if (has_static_) {
      plan.params.push_back({Shape{sizes_.sums, sizes_.static_inputs}, weight_filler_});
    }
    plan.params.push_back({Shape{sizes_.sums, sizes_.units}, weight_filler_});
    plan.state.assign(hidden_, hidden);
    return plan;
  }

  // State i before the first step, and after the last one.
  template <class T>
  const T* First(const BlobList& bottom, int i) const {
    if (!exposed()) return state(i).template data<T>();
    return bottom[bottom.size() - hidden_ + i]->template data<T>();
  }
  template <class T>
  T* Last(const BlobList& top, int i) const {
    return exposed() ? top[1 + i]->template mutable_data<T>() : state(i).template mutable_data<T>();
  }
  // The gradient that comes back for the last state i, or null.
  template <class T>
  const T* LastGradient(const BlobList& top, int i) const {
    return exposed() && top[1 + i]->has_diff() ? top[1 + i]->template diff<T>() : nullptr;
  }
  // Where the gradient of the first state i goes, or null.
  template <class T>
  T* FirstGradient(const BlobList& bottom, const std::vector<bool>& propagate_down, int i) const {
    const size_t b = bottom.size() - hidden_ + i;
    return exposed() && propagate_down[b] ? bottom[b]->template mutable_diff<T>() : nullptr;
  }

  // sums (T x N x G) = W_x x + b + W_static x_static. `scratch` holds N x G numbers.
  template <class T>
  void SumInputs(const Context& ctx, const BlobList& bottom, T* scratch, T* sums) const {
    const RecurrentSizes& s = sizes_;
    Product<T>(ctx, s.Rows(), s.sums, s.inputs, bottom[0]->template data<T>(),
               param(0).template data<T>(), 0, sums);
    AddRow(ctx, s.Rows(), s.sums, param(1).template data<T>(), sums);
    if (!has_static_) return;
    Product<T>(ctx, s.sequences, s.sums, s.static_inputs, bottom[2]->template data<T>(),
               param(2).template data<T>(), 0, scratch);
    AddToSteps<T>(ctx, s, scratch, sums);
  }

  // The gradients of the bottoms x and x_static and of all shared parameters, for those of the
  // sums. `before` is what W_h was multiplied with, T x N x D.
  template <class T>
  void PropagateToBottoms(const Context& ctx, const T* d_sums, const T* before, T* scratch,
                          const BlobList& bottom, const std::vector<bool>& propagate_down) const {
    const RecurrentSizes& s = sizes_;
    ProductBackward<T>(ctx, s.Rows(), s.sums, s.units, before, nullptr, d_sums, nullptr,
                       Gradient<T>(h_weight()));
    ProductBackward<T>(ctx, s.Rows(), s.sums, s.inputs, bottom[0]->template data<T>(),
                       param(0).template data<T>(), d_sums,
                       propagate_down[0] ? bottom[0]->template mutable_diff<T>() : nullptr,
                       Gradient<T>(0));
    if (wants_gradient(1)) {
      SumToOperand<T>(ctx, ChannelView{s.Rows(), static_cast<int>(s.sums), 1}, d_sums, true,
                      Gradient<T>(1));
    }
    if (!has_static_) return;
    SumOfSteps<T>(ctx, s, d_sums, scratch);
    ProductBackward<T>(ctx, s.sequences, s.sums, s.static_inputs, bottom[2]->template data<T>(),
                       param(2).template data<T>(), scratch,
                       propagate_down[2] ? bottom[2]->template mutable_diff<T>() : nullptr,
                       Gradient<T>(2));
  }

  // Of a parameter; null if it is not wanted.
  template <class T>
  T* Gradient(int i) const {
    return wants_gradient(i) ? param(i).template mutable_diff<T>() : nullptr;
  }

 private:
  void CheckBottoms(const std::vector<Shape>& bottoms) const {
    const Shape& x = bottoms[0];
    if (x.rank() < 2 || x[0] < 1) {
      Fail("bottom 0 has shape ", x.ToString(),
           ", but must be T x N x ... (T steps of N sequences, with at least one step)");
    }
    if (bottoms[1] != (Shape{x[0], x[1]})) {
      Fail("bottom 1 (cont) has shape ", bottoms[1].ToString(), ", but must be ", x[0], " x ", x[1],
           " for ", x[0], " steps of ", x[1], " sequences");
    }
    if (has_static_ && (bottoms[2].rank() < 1 || bottoms[2][0] != x[1])) {
      Fail("bottom 2 (the static input) has shape ", bottoms[2].ToString(), ", but axis 0 must be ",
           x[1], ", the number of sequences");
    }
  }

  void CheckHidden(const std::vector<Shape>& bottoms, const Shape& hidden) const {
    if (!exposed()) return;
    for (size_t b = bottoms.size() - hidden_; b < bottoms.size(); ++b) {
      if (bottoms[b] == hidden) continue;
      Fail("bottom ", b, " (a first state) has shape ", bottoms[b].ToString(), ", but must be ",
           hidden.ToString());
    }
  }

  int hidden_, sums_per_unit_;
  bool has_static_ = false;
  FillerSpec weight_filler_, bias_filler_;
  RecurrentSizes sizes_;
};

}  // namespace CREMA_TARGET
}  // namespace crema
