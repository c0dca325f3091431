// Filter: the items (of axis 0) of each bottom but the last whose number in the last bottom, the
// selector, is not 0. As many items come out as were selected, so the layers above change shape
// from pass to pass.
#include "base/checked.h"
#include "base/counted.h"
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/host_layer.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

constexpr int32_t kLeftOut = -1;

// place[n]: which item of the top item n of the bottom becomes.
template <class T>
void CopySelected(const Context& ctx, int64_t items, int64_t size, const int32_t* place,
                  const T* bottom, T* top) {
  ForEach(ctx, items, static_cast<int>(size), [=] HD(int64_t n, int i) {
    if (place[n] != kLeftOut) top[place[n] * size + i] = bottom[n * size + i];
  });
}

template <class T>
void ScatterGradient(const Context& ctx, int64_t items, int64_t size, const int32_t* place,
                     const T* dy, T* dx) {
  ForEach(ctx, items, static_cast<int>(size), [=] HD(int64_t n, int i) {
    dx[n * size + i] = place[n] == kLeftOut ? T(0) : dy[place[n] * size + i];
  });
}

class FilterLayer : public DataShapedLayer {
 public:
  FilterLayer(const proto::LayerParameter& config, Phase phase) : DataShapedLayer(config, phase) {
    if (config.bottom_size() < 2 || config.top_size() != config.bottom_size() - 1) {
      Fail("has ", Counted(config.bottom_size(), "bottom"), " and ",
           Counted(config.top_size(), "top"),
           "; give one top for each bottom except the last, the selector");
    }
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::WithoutValues();
    traits.min_bottoms = 2;
    traits.max_bottoms = -1;
    traits.max_tops = -1;
    traits.no_gradient_bottoms = {selector()};
    traits.shapes_depend_on_data = true;
    return traits;
  }

  // For all items, the most there can be.
  LayerPlan Plan(const PlanInput& input) override {
    const Shape& choice = input.shape(selector());
    if (choice.rank() == 0 || choice.CountFrom(1) != 1) {
      Fail("its last bottom has shape ", choice.ToString(),
           ", but must have one number per item, such as N x 1 x 1 x 1");
    }
    LayerPlan plan;
    for (int b = 0; b < selector(); ++b) {
      if (input.shape(b).rank() == 0 || input.shape(b)[0] != choice[0]) {
        Fail("bottom ", b, " has shape ", input.shape(b).ToString(), ", but the selector has ",
             choice[0], " items; axis 0 must be equal");
      }
      CheckedInt(input.shape(b).CountFrom(1),
                 Concat(Title(), ": the size of an item of bottom ", b));
      plan.tops.push_back(input.shape(b));
    }
    plan.state = {TensorSpec(Shape{choice[0]}, DType::kInt32)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    const int32_t* place = state(0).data<int32_t>();
    for (size_t b = 0; b < top.size(); ++b) {
      const Shape& shape = bottom[b]->shape();
      CREMA_FLOAT_DISPATCH(top[b]->dtype(), T,
                           CopySelected<T>(ctx, shape[0], shape.CountFrom(1), place,
                                           bottom[b]->data<T>(), top[b]->mutable_data<T>()));
    }
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    const int32_t* place = state(0).data<int32_t>();
    for (size_t b = 0; b < top.size(); ++b) {
      if (!propagate_down[b]) continue;
      const Shape& shape = bottom[b]->shape();
      CREMA_FLOAT_DISPATCH(top[b]->dtype(), T,
                           ScatterGradient<T>(ctx, shape[0], shape.CountFrom(1), place,
                                              top[b]->diff<T>(), bottom[b]->mutable_diff<T>()));
    }
  }

 protected:
  std::vector<Shape> ShapesOnHost(HostBlobs& bottom) override {
    const std::vector<double> choice = bottom[selector()].data.Values<double>();
    std::vector<int32_t> place;
    int32_t selected = 0;
    for (double number : choice) place.push_back(number != 0 ? selected++ : kLeftOut);
    state(0).FromHost(place);
    std::vector<Shape> shapes;
    for (int b = 0; b < selector(); ++b) {
      std::vector<int64_t> dims = bottom[b].shape().dims();
      dims[0] = selected;
      shapes.push_back(Shape(dims));
    }
    return shapes;
  }

 private:
  int selector() const { return config().bottom_size() - 1; }
};

CREMA_REGISTER_LAYER("Filter", FilterLayer);

}  // namespace
}  // namespace crema
