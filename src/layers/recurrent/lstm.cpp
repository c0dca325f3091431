// LSTM: a layer of long short-term memory over sequences; see shared/recurrent.h for its bottoms,
// tops and parameters, and shared/lstm_unit.h for a step. The states are h and c; the rows of the
// weights are those of the gates input, forget, output and cell, in this order.
#include "crema/dev/registry.h"
#include "layers/shared/recurrent/lstm_unit.h"
#include "layers/shared/recurrent/recurrent.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

constexpr int kHidden = 0, kCell = 1;

// What Forward leaves for Backward, T x N x ... Where there is no Backward, each step writes its
// cells, and what was before, where the last one did.
template <class T>
struct LstmSteps {
  T* gates;   // 4 D: their inputs, then their values
  T* cells;   // D, from the cell before the first step on: T + 1 of them
  T* before;  // D: h of the step before, 0 where a sequence begins
};

// Gradients while Backward goes through the steps.
template <class T>
struct StepGradients {
  T* sums;    // T x N x 4 D
  T* h;       // N x D, of the step at hand
  T* c;       // N x D
  T* before;  // N x D
  T* shared;  // N x 4 D, for the static input
};

class LstmLayer : public RecurrentLayer {
 public:
  LstmLayer(const proto::LayerParameter& config, Phase phase)
      : RecurrentLayer(config, phase, 2, 4) {}

  LayerTraits traits() const override {
    LayerTraits traits = RecurrentLayer::traits();
    traits.backward_needs_top_data = false;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    LayerPlan plan = PlanSequences(input);
    const RecurrentSizes& s = sizes();
    const int64_t steps = input.runs_backward ? s.Rows() : 0;
    saved_.Begin(input);
    saved_.Save(Shape{s.Rows(), s.sums}, &plan);
    saved_.Save(Shape{steps + s.sequences, s.units}, &plan);
    saved_.Save(Shape{input.runs_backward ? steps : s.sequences, s.units}, &plan);
    saved_.Use(Shape{s.sequences, s.sums}, &plan);  // for the static input
    if (!input.runs_backward) return plan;
    backward_bytes_ = static_cast<size_t>(s.Rows() * s.sums + 3 * s.StepState() + s.StepSums()) *
                      SizeOf(input.dtype);
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
    return 2.0 * s.Rows() * s.sums * (s.inputs + s.units) +
           2.0 * s.sequences * s.sums * s.static_inputs;
  }

 private:
  template <class T>
  static LstmSteps<T> StepsIn(const SavedForBackward::Pieces& memory) {
    return {memory.at<T>(kGates), memory.at<T>(kCells), memory.at<T>(kBefore)};
  }

  template <class T>
  StepGradients<T> GetGradients(Context& ctx) const {
    const RecurrentSizes& s = sizes();
    T* sums = static_cast<T*>(ctx.Scratch(backward_bytes_));
    T* h = sums + s.Rows() * s.sums;
    return {sums, h, h + s.StepState(), h + 2 * s.StepState(), h + 3 * s.StepState()};
  }

  template <class T>
  void RunForward(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const RecurrentSizes& s = sizes();
    const SavedForBackward::Pieces memory = saved_.Open(ctx, states());
    const LstmSteps<T> steps = StepsIn<T>(memory);
    const int64_t stride = saved_.saves() ? s.StepState() : 0;  // from step to step
    const size_t bytes = static_cast<size_t>(s.StepState()) * sizeof(T);
    const T* h_prev = First<T>(bottom, kHidden);
    T* h = top[0]->mutable_data<T>();
    T* cells = steps.cells;
    ctx.device().Copy(cells, First<T>(bottom, kCell), bytes);
    SumInputs(ctx, bottom, memory.at<T>(kStatic), steps.gates);
    for (int64_t t = 0; t < s.steps; ++t) {
      const T* cont = bottom[1]->data<T>() + t * s.sequences;
      T* before = steps.before + t * stride;
      T* gates = steps.gates + t * s.StepSums();
      Continue(ctx, s, cont, h_prev, before);
      Product<T>(ctx, s.sequences, s.sums, s.units, before, param(h_weight()).template data<T>(), 1,
                 gates);
      LstmUnitForward<T>(ctx, {s.sequences, s.units}, gates, cells, cont,
                         saved_.saves() ? gates : nullptr, cells + stride, h);
      h_prev = h;
      h += s.StepState();
      cells += stride;
    }
    ctx.device().Copy(Last<T>(top, kHidden), h_prev, bytes);
    ctx.device().Copy(Last<T>(top, kCell), cells, bytes);
  }

  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                   const BlobList& bottom) {
    const RecurrentSizes& s = sizes();
    const LstmSteps<T> steps = StepsIn<T>(saved_.Saved(states()));
    const StepGradients<T> d = GetGradients<T>(ctx);
    const T* d_top = top[0]->has_diff() ? top[0]->diff<T>() : nullptr;
    BeginBackward(ctx, s, LastGradient<T>(top, kHidden), d.before);
    BeginBackward(ctx, s, LastGradient<T>(top, kCell), d.c);
    for (int64_t t = s.steps - 1; t >= 0; --t) {
      const T* cont = bottom[1]->data<T>() + t * s.sequences;
      const T* cells = steps.cells + t * s.StepState();
      T* d_gates = d.sums + t * s.StepSums();
      AddStates<T>(ctx, s.StepState(), d.before,
                   d_top == nullptr ? nullptr : d_top + t * s.StepState(), d.h);
      LstmUnitBackward<T>(ctx, {s.sequences, s.units}, steps.gates + t * s.StepSums(), cells, cont,
                          cells + s.StepState(), d.c, d.h, d_gates, d.c);
      ProductBackward<T>(ctx, s.sequences, s.sums, s.units, nullptr,
                         param(h_weight()).template data<T>(), d_gates, d.h, nullptr);
      Continue<T>(ctx, s, cont, d.h, d.before);
    }
    EndBackward(ctx, s, d.before, FirstGradient<T>(bottom, propagate_down, kHidden));
    EndBackward(ctx, s, d.c, FirstGradient<T>(bottom, propagate_down, kCell));
    PropagateToBottoms(ctx, d.sums, steps.before, d.shared, bottom, propagate_down);
  }

  static constexpr int kGates = 0, kCells = 1, kBefore = 2, kStatic = 3;  // pieces

  SavedForBackward saved_;
  size_t backward_bytes_ = 0;
};

CREMA_REGISTER_LAYER("LSTM", LstmLayer);

}  // namespace
}  // namespace crema
