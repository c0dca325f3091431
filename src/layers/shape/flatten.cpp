// Flatten: the bottom's values with the axes from `axis` to `end_axis` joined into one.
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/same_values.h"

namespace crema {
namespace {

class FlattenLayer : public SameValuesLayer {
 public:
  using SameValuesLayer::SameValuesLayer;

  LayerTraits traits() const override {
    LayerTraits traits = SameValuesLayer::traits();
    traits.is_per_sample = config().flatten_param().axis() > 0;
    traits.forward_is_reentrant = true;
    return traits;
  }

 protected:
  Shape ShapeOfTop(const Shape& in) const override {
    const int first = in.CanonicalAxis(config().flatten_param().axis(), Title() + ": axis");
    const int last = in.CanonicalAxis(config().flatten_param().end_axis(), Title() + ": end_axis");
    // end_axis = axis - 1 joins no axes: Caffe then puts in an axis of 1, and so do we.
    if (first > last + 1) {
      Fail("axis is ", first, " and end_axis is ", last, " (shape ", in.ToString(),
           "); end_axis must not be before axis");
    }
    std::vector<int64_t> dims(in.dims().begin(), in.dims().begin() + first);
    dims.push_back(in.Count(first, last + 1));
    dims.insert(dims.end(), in.dims().begin() + last + 1, in.dims().end());
    return Shape(dims);
  }
};

CREMA_REGISTER_LAYER("Flatten", FlattenLayer);

}  // namespace
}  // namespace crema
