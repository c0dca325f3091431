// Im2col: the windows of a convolution written out: (N, C kernel_h kernel_w, H', W').
#include "crema/dev/im2col.h"

#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/vision/conv_setup.h"

namespace crema {
namespace {

class Im2colLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::WithoutValues();
    traits.is_per_sample = config().convolution_param().axis() > 0;
    traits.forward_is_reentrant = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& in = input.shape(0);
    const proto::ConvolutionParameter& param = config().convolution_param();
    const int axis = ChannelAxis(param, in, Title());
    if (axis + 1 == in.rank()) {
      Fail("the input ", in.ToString(), " has no spatial axis after axis ", axis,
           "; there must be at least one");
    }
    geometry_ = ReadWindow(param, in.rank() - axis - 1, Title());
    SetImage(&geometry_, in, axis, Title());
    images_ = in.Count(0, axis);
    CheckProducts(geometry_, 1, Title());
    std::vector<int64_t> out(in.dims().begin(), in.dims().begin() + axis);
    out.push_back(geometry_.ColumnRows());
    out.insert(out.end(), geometry_.out, geometry_.out + geometry_.axes);
    LayerPlan plan;
    plan.tops = {Shape(out)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      for (int64_t n = 0; n < images_; ++n) {
        Im2col<T>(ctx, geometry_, bottom[0]->data<T>() + n * ImageSize(),
                  top[0]->mutable_data<T>() + n * ColumnsSize());
      }
    });
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      for (int64_t n = 0; n < images_; ++n) {
        Col2im<T>(ctx, geometry_, top[0]->diff<T>() + n * ColumnsSize(),
                  bottom[0]->mutable_diff<T>() + n * ImageSize());
      }
    });
  }

 private:
  int64_t ImageSize() const { return geometry_.channels * geometry_.InCount(); }
  int64_t ColumnsSize() const { return geometry_.ColumnRows() * geometry_.OutCount(); }

  ConvGeometry geometry_;
  int64_t images_ = 0;
};

CREMA_REGISTER_LAYER("Im2col", Im2colLayer);

}  // namespace
}  // namespace crema
