#include "crema/dev/layer.h"

#include "base/strings.h"
#include "crema.pb.h"

namespace crema {

namespace {

// Names need not differ, but no two layers read (or, of those without bottoms, make) one value. It
// is what is read that tells namesakes apart: that is the same in place and with a top of its own.
uint64_t RandomKey(const proto::LayerParameter& config) {
  std::string blob;
  if (config.top_size() > 0) blob = config.top(0);
  if (config.bottom_size() > 0) blob = config.bottom(0);
  return StableHash(config.name() + "/" + blob);
}

}  // namespace

Layer::Layer(const proto::LayerParameter& config, Phase phase)
    : config_(std::make_unique<proto::LayerParameter>(config)),
      name_(config.name()),
      type_(config.type()),
      phase_(phase),
      random_key_(RandomKey(config)) {}

Layer::~Layer() = default;

void Layer::Backward(Context&, const BlobList&, const std::vector<bool>& propagate_down,
                     const BlobList&) {
  for (bool wanted : propagate_down) {
    if (wanted) Fail("this layer has no gradient, but one is needed");
  }
}

void Layer::Bind(BlobList params, std::vector<Tensor> state, std::vector<bool> wants_gradient) {
  params_ = std::move(params);
  state_ = std::move(state);
  wants_gradient_ = std::move(wants_gradient);
  overwrites_.assign(params_.size(), false);
}

void Layer::ZeroOverwrittenGradients(const Context& ctx) const {
  for (size_t i = 0; i < params_.size(); ++i) {
    if (!overwrites_[i]) continue;
    const Tensor& gradient = params_[i]->diff_tensor();
    ctx.device().Zero(gradient.raw(), gradient.bytes());
  }
}

std::string Layer::Title() const { return InLayer(name_, type_); }

}  // namespace crema
