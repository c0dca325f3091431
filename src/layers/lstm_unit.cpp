// LSTMUnit: one step of an LSTM. Bottoms: c_prev (1 x N x D), the inputs of the gates (1 x N x 4D,
// in the order input, forget, output, cell) and cont (1 x N). Tops: c and h (1 x N x D).
#include "layers/shared/lstm_unit.h"

#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/layer/registry.h"

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

  // The last two states stand for gradients that nobody sends or asks for.
  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    const Shape& c = bottoms[0];
    const Shape& input = bottoms[1];
    if (c.rank() != 3 || c[0] != 1) {
      Fail("bottom 0 (the cells) has shape ", c.ToString(), ", but must be 1 x N x D");
    }
    if (input.rank() != 3 || input[0] != 1 || input[1] != c[1] || input[2] != 4 * c[2]) {
      Fail("bottom 1 (the inputs of the gates) has shape ", input.ToString(), ", but must be 1 x ",
           c[1], " x ", 4 * c[2], " for cells of shape ", c.ToString());
    }
    if (bottoms[2] != (Shape{1, c[1]})) {
      Fail("bottom 2 (cont) has shape ", bottoms[2].ToString(), ", but must be 1 x ", c[1]);
    }
    CheckRange(Title() + ": the number of units of its cells", c[2], 0,
               std::numeric_limits<int>::max());
    sizes_ = {c[1], c[2]};
    LayerPlan plan;
    plan.tops = {c, c};
    plan.state = {{input, {}}, {c, {}}, {input, {}}};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         LstmUnitForward<T>(ctx, sizes_, bottom[1]->data<T>(), bottom[0]->data<T>(),
                                            bottom[2]->data<T>(), state(0).mutable_data<T>(),
                                            top[0]->mutable_data<T>(), top[1]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    const Tensor& nothing = state(1);
    if (!top[0]->has_diff() || !top[1]->has_diff()) {
      ctx.device().Zero(nothing.raw(), nothing.bytes());
    }
    const Tensor& d_c = top[0]->has_diff() ? top[0]->diff_tensor() : nothing;
    const Tensor& d_h = top[1]->has_diff() ? top[1]->diff_tensor() : nothing;
    const Tensor& d_c_prev = propagate_down[0] ? bottom[0]->diff_tensor() : nothing;
    const Tensor& d_input = propagate_down[1] ? bottom[1]->diff_tensor() : state(2);
    CREMA_FLOAT_DISPATCH(
        top[0]->dtype(), T,
        LstmUnitBackward<T>(ctx, sizes_, state(0).data<T>(), bottom[0]->data<T>(),
                            bottom[2]->data<T>(), top[0]->data<T>(), d_c.data<T>(), d_h.data<T>(),
                            d_input.mutable_data<T>(), d_c_prev.mutable_data<T>()));
  }

 private:
  LstmSizes sizes_ = {};
};

CREMA_REGISTER_LAYER("LSTMUnit", LstmUnitLayer);

}  // namespace
}  // namespace crema
