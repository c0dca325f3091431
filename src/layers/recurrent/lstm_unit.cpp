// LSTMUnit: one step of an LSTM. Bottoms: c_prev (1 x N x D), the inputs of the gates (1 x N x 4D,
// in the order input, forget, output, cell) and cont (1 x N). Tops: c and h (1 x N x D).
#include "layers/shared/recurrent/lstm_unit.h"

#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

class LstmUnitLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.min_bottoms = traits.max_bottoms = 3;
    traits.min_tops = traits.max_tops = 2;
    traits.no_gradient_bottoms = {2};
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& c = input.shape(0);
    const Shape& gates = input.shape(1);
    if (c.rank() != 3 || c[0] != 1) {
      Fail("bottom 0 (the cells) has shape ", c.ToString(), ", but must be 1 x N x D");
    }
    if (gates.rank() != 3 || gates[0] != 1 || gates[1] != c[1] || gates[2] != 4 * c[2]) {
      Fail("bottom 1 (the inputs of the gates) has shape ", gates.ToString(), ", but must be 1 x ",
           c[1], " x ", 4 * c[2], " for cells of shape ", c.ToString());
    }
    if (input.shape(2) != (Shape{1, c[1]})) {
      Fail("bottom 2 (cont) has shape ", input.shape(2).ToString(), ", but must be 1 x ", c[1]);
    }
    CheckRange(Title() + ": the number of units of its cells", c[2], 0,
               std::numeric_limits<int>::max());
    sizes_ = {c[1], c[2]};
    LayerPlan plan;
    plan.tops = {c, c};
    saves_ = input.runs_backward;
    if (!saves_) return plan;
    plan.state = {TensorSpec(gates)};
    plan.scratch_bytes = static_cast<size_t>(5 * c.count()) * SizeOf(input.dtype);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(
        top[0]->dtype(), T,
        LstmUnitForward<T>(ctx, sizes_, bottom[1]->data<T>(), bottom[0]->data<T>(),
                           bottom[2]->data<T>(), saves_ ? state(0).mutable_data<T>() : nullptr,
                           top[0]->mutable_data<T>(), top[1]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, RunBackward<T>(ctx, top, propagate_down, bottom));
  }

 private:
  // Scratch memory stands for gradients that nobody sends or asks for.
  template <class T>
  void RunBackward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                   const BlobList& bottom) {
    const int64_t count = top[0]->count();
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    T* nothing = static_cast<T*>(ctx.Scratch(5 * bytes));
    if (!top[0]->has_diff() || !top[1]->has_diff()) ctx.device().Zero(nothing, bytes);
    const T* d_c = top[0]->has_diff() ? top[0]->diff<T>() : nothing;
    const T* d_h = top[1]->has_diff() ? top[1]->diff<T>() : nothing;
    T* d_c_prev = propagate_down[0] ? bottom[0]->mutable_diff<T>() : nothing;
    T* d_input = propagate_down[1] ? bottom[1]->mutable_diff<T>() : nothing + count;
    LstmUnitBackward<T>(ctx, sizes_, state(0).template data<T>(), bottom[0]->data<T>(),
                        bottom[2]->data<T>(), top[0]->data<T>(), d_c, d_h, d_input, d_c_prev);
  }

  LstmSizes sizes_ = {};
  bool saves_ = false;
};

CREMA_REGISTER_LAYER("LSTMUnit", LstmUnitLayer);

}  // namespace
}  // namespace crema
