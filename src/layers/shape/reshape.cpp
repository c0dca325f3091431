// Reshape: the same values under another shape.
#include <algorithm>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/same_values.h"

namespace crema {
namespace {

constexpr int64_t kKeep = 0, kInfer = -1;

class ReshapeLayer : public SameValuesLayer {
 public:
  ReshapeLayer(const proto::LayerParameter& config, Phase phase) : SameValuesLayer(config, phase) {
    const auto& dims = config.reshape_param().shape().dim();
    const auto inferred = std::count(dims.begin(), dims.end(), kInfer);
    if (inferred > 1) Fail("its shape contains -1 ", inferred, " times, but only one is allowed");
    for (int64_t dim : dims) {
      if (dim < kInfer) Fail("its shape contains ", dim, ", but the smallest extent is -1");
    }
  }

 protected:
  Shape ShapeOfTop(const Shape& in) const override {
    const proto::ReshapeParameter& param = config().reshape_param();
    // A negative axis counts back from behind the last one: -1 is where a new axis would come.
    const int first = param.axis() >= 0 ? param.axis() : in.rank() + 1 + param.axis();
    const std::string shape = "its bottom has shape " + in.ToString();
    CheckRange(Title() + ": axis", param.axis(), -in.rank() - 1, in.rank(), shape);
    CheckRange(Title() + ": num_axes", param.num_axes(), -1, in.rank() - first, shape);
    const int axes = param.num_axes() == -1 ? in.rank() - first : param.num_axes();
    std::vector<int64_t> dims(in.dims().begin(), in.dims().begin() + first);
    for (int64_t dim : param.shape().dim()) dims.push_back(dim);
    dims.insert(dims.end(), in.dims().begin() + first + axes, in.dims().end());
    Resolve(in, first, param.shape().dim_size(), &dims);
    return Shape(dims);
  }

 private:
  // Puts numbers in the place of kKeep and kInfer, in `requested` axes from `first` on.
  void Resolve(const Shape& in, int first, int requested, std::vector<int64_t>* dims) const {
    int64_t* unknown = nullptr;
    for (int i = 0; i < requested; ++i) {
      int64_t& dim = (*dims)[first + i];
      if (dim == kInfer) unknown = &dim;
      if (dim != kKeep) continue;
      if (first + i >= in.rank()) {
        Fail("its shape keeps axis ", first + i, " (dim: 0), but its bottom ", in.ToString(),
             " has no such axis");
      }
      dim = in[first + i];
    }
    if (unknown != nullptr) *unknown = 1;
    const int64_t known = Shape(*dims).count();
    if (unknown != nullptr && known > 0 && in.count() % known == 0) {
      *unknown = in.count() / known;
    } else if (unknown != nullptr && known == 0 && in.count() == 0) {
      *unknown = 0;
    } else if (unknown != nullptr || known != in.count()) {
      Fail("its bottom ", in.ToString(), " cannot have shape ", Shape(*dims).ToString(),
           unknown != nullptr ? ", whatever -1 stands for" : "",
           "; the number of values must not change");
    }
  }
};

CREMA_REGISTER_LAYER("Reshape", ReshapeLayer);

}  // namespace
}  // namespace crema
