// Input: tops of given shapes whose values the program sets.
#include "base/counted.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/data/option_lists.h"

namespace crema {
namespace {

class InputLayer : public Layer {
 public:
  using Layer::Layer;

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Source(1, -1);
    traits.has_backward = false;
    traits.tops_take_any_shape = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput&) override {
    const auto& shapes = config().input_param().shape();
    const int tops = config().top_size();
    if (!FitsTops(shapes.size(), tops)) {
      Fail("has ", Counted(shapes.size(), "shape"), " for ", Counted(tops, "top"),
           "; give one shape for all tops, or one per top, as in input_param { shape { dim: 1 "
           "dim: 3 dim: 224 dim: 224 } }");
    }
    LayerPlan plan;
    for (int t = 0; t < tops; ++t) plan.tops.push_back(ToShape(EntryFor(shapes, t)));
    return plan;
  }

  void Forward(Context&, const BlobList&, const BlobList&) override {}
};

CREMA_REGISTER_LAYER("Input", InputLayer);

}  // namespace
}  // namespace crema
