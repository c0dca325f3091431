// DummyData: tops of given shapes filled with constants, or with new random numbers every pass.
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/philox.h"
#include "crema/dev/registry.h"
#include "layers/shared/data/option_lists.h"

namespace crema {
namespace {

template <class T>
void FillConstant(const Context& ctx, const Blob& top, float value) {
  T* out = top.mutable_data<T>();
  const T v = value;
  ForEach(ctx, top.count(), [=] HD(int64_t i) { out[i] = v; });
}

template <class T>
void FillUniform(const Context& ctx, const Blob& top, uint64_t key, float min, float max) {
  T* out = top.mutable_data<T>();
  const uint64_t* step = ctx.device_step();
  const float range = max - min;
  ForEach(ctx, top.count(),
          [=] HD(int64_t i) { out[i] = min + range * RandomUniform(key, *step, i); });
}

template <class T>
void FillGaussian(const Context& ctx, const Blob& top, uint64_t key, float mean, float std) {
  T* out = top.mutable_data<T>();
  const uint64_t* step = ctx.device_step();
  ForEach(ctx, top.count(),
          [=] HD(int64_t i) { out[i] = mean + std * RandomNormal(key, *step, i); });
}

class DummyDataLayer : public Layer {
 public:
  DummyDataLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::DummyDataParameter& param = config.dummy_data_param();
    const int tops = config.top_size();
    if (param.data_filler_size() > 0 && !FitsTops(param.data_filler_size(), tops)) {
      FailCount("data_filler", param.data_filler_size());
    }
    for (int t = 0; t < tops; ++t) {
      fillers_.emplace_back();
      if (param.data_filler_size() == 0) continue;
      fillers_.back() = ToFillerSpec(EntryFor(param.data_filler(), t), Title());
    }
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::Source(1, -1);
    traits.has_backward = false;
    return traits;
  }

  LayerPlan Plan(const PlanInput&) override {
    const proto::DummyDataParameter& param = config().dummy_data_param();
    const bool is_old_form = param.num_size() > 0 || param.channels_size() > 0 ||
                             param.height_size() > 0 || param.width_size() > 0;
    if (is_old_form && param.shape_size() > 0) {
      Fail("sets both shape and its old form (num, channels, height, width); remove one");
    }
    LayerPlan plan;
    for (int t = 0; t < config().top_size(); ++t) {
      plan.tops.push_back(is_old_form ? OldShape(t) : NewShape(t));
      CheckFits(fillers_[t], plan.tops[t].shape);
    }
    return plan;
  }

  // Constants too are written every pass: a layer that runs in place may have changed them.
  void Forward(Context& ctx, const BlobList&, const BlobList& top) override {
    for (size_t t = 0; t < top.size(); ++t) FillTop(ctx, *top[t], t);
  }

 private:
  [[noreturn]] void FailCount(const char* field, int found) const {
    Fail("has ", found, " ", field, " for ", config().top_size(),
         " tops; give one for all tops, or one per top");
  }

  // The only filler that a shape may not fit. Fill would take memory for a net that is only
  // planned.
  void CheckFits(const FillerSpec& filler, const Shape& shape) const {
    const bool fits = shape.rank() == 4 && shape[2] == shape[3];
    if (filler.type != "bilinear" || fits) return;
    Fail("the bilinear filler needs 4 axes, the last two of them equal, but the shape is ",
         shape.ToString());
  }

  template <class Field>
  int64_t Extent(const char* name, const Field& field, int top) const {
    if (!FitsTops(field.size(), config().top_size())) FailCount(name, field.size());
    return EntryFor(field, top);
  }

  Shape OldShape(int top) const {
    const proto::DummyDataParameter& param = config().dummy_data_param();
    return {Extent("num", param.num(), top), Extent("channels", param.channels(), top),
            Extent("height", param.height(), top), Extent("width", param.width(), top)};
  }

  Shape NewShape(int top) const {
    const auto& shapes = config().dummy_data_param().shape();
    if (!FitsTops(shapes.size(), config().top_size())) FailCount("shape", shapes.size());
    return ToShape(EntryFor(shapes, top));
  }

  void FillTop(Context& ctx, const Blob& top, size_t index) const {
    const FillerSpec& spec = fillers_[index];
    const uint64_t key = MixKeys(random_key(), index);
    const uint64_t mixed = MixKeys(ctx.seed_of_rank(), key);
    const DType dtype = top.dtype();
    if (spec.type == "constant") {
      CREMA_FLOAT_DISPATCH(dtype, T, FillConstant<T>(ctx, top, spec.value));
    } else if (spec.type == "uniform") {
      CREMA_FLOAT_DISPATCH(dtype, T, FillUniform<T>(ctx, top, mixed, spec.min, spec.max));
    } else if (spec.type == "gaussian" && spec.sparse < 0) {
      CREMA_FLOAT_DISPATCH(dtype, T, FillGaussian<T>(ctx, top, mixed, spec.mean, spec.std));
    } else {
      // The fillers of weights, rare for data: made on the host, new ones every pass.
      const uint64_t pass_key = MixKeys(key, ctx.step());
      top.data_tensor().FromHost(Fill(spec, top.shape(), ctx.seed_of_rank(), pass_key, Title()));
    }
  }

  std::vector<FillerSpec> fillers_;
};

CREMA_REGISTER_LAYER("DummyData", DummyDataLayer);

}  // namespace
}  // namespace crema
