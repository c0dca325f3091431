// Tile: repeats its bottom `tiles` times along one axis.
#include <limits>

#include "base/checked.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"

namespace crema {
namespace {

// The bottom is rows x cols, the top rows x tiles x cols.
template <class T>
void TileForward(const Context& ctx, int64_t rows, int64_t tiles, int cols, const T* x, T* y) {
  ForEach(ctx, rows * tiles, cols,
          [=] HD(int64_t r, int c) { y[r * cols + c] = x[r / tiles * cols + c]; });
}

template <class T>
void TileBackward(const Context& ctx, int64_t rows, int64_t tiles, int cols, const T* dy, T* dx) {
  ForEach(ctx, rows, cols, [=] HD(int64_t r, int c) {
    T sum = 0;
    for (int64_t t = 0; t < tiles; ++t) sum += dy[(r * tiles + t) * cols + c];
    dx[r * cols + c] = sum;
  });
}

class TileLayer : public Layer {
 public:
  TileLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    CheckGiven(Title() + ": tiles", config.tile_param().has_tiles(), tiles(), 1,
               std::numeric_limits<int>::max());
  }

  LayerTraits traits() const override { return LayerTraits::WithoutValues(); }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    const int axis = x.CanonicalAxis(config().tile_param().axis(), Title() + ": axis");
    constexpr int kMost = std::numeric_limits<int>::max();
    const std::string of = Concat(" of its bottom ", x.ToString());
    CheckRange(Concat(Title(), ": the number of values from axis ", axis, " onwards", of),
               x.CountFrom(axis), 0, kMost);
    rows_ = x.Count(0, axis);
    CheckedProduct(rows_, tiles(), Title() + ": the number of its rows, repeated `tiles` times,");
    cols_ = static_cast<int>(x.CountFrom(axis));
    std::vector<int64_t> dims = x.dims();
    CheckRange(Concat(Title(), ": the extent along axis ", axis, of), dims[axis], 0, kMost);
    dims[axis] *= tiles();
    LayerPlan plan;
    plan.tops = {Shape(dims)};
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         TileForward<T>(ctx, rows_, tiles(), cols_, bottom[0]->data<T>(),
                                        top[0]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         TileBackward<T>(ctx, rows_, tiles(), cols_, top[0]->diff<T>(),
                                         bottom[0]->mutable_diff<T>()));
  }

 private:
  int64_t tiles() const { return config().tile_param().tiles(); }

  int64_t rows_ = 0;
  int cols_ = 0;
};

CREMA_REGISTER_LAYER("Tile", TileLayer);

}  // namespace
}  // namespace crema
