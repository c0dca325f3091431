// MemoryData: batches from memory, given by the program; see memory_source.h.
#include <limits>

#include "base/counted.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/layer/memory_source.h"
#include "crema/layer/registry.h"
#include "layers/shared/upload.h"

namespace crema {
namespace {

class MemoryDataLayer : public Layer, public MemorySource {
 public:
  MemoryDataLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::MemoryDataParameter& p = config.memory_data_param();
    constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
    CheckGiven(Title() + ": batch_size", p.has_batch_size(), p.batch_size(), 1, kMost);
    CheckGiven(Title() + ": channels", p.has_channels(), p.channels(), 1, kMost);
    CheckGiven(Title() + ": height", p.has_height(), p.height(), 1, kMost);
    CheckGiven(Title() + ": width", p.has_width(), p.width(), 1, kMost);
    if (config.has_transform_param()) {
      Fail("transform_param is not supported; remove it, and transform the data before SetData");
    }
    batch_ = Shape{p.batch_size(), p.channels(), p.height(), p.width()};
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.min_bottoms = traits.max_bottoms = 0;
    traits.min_tops = traits.max_tops = 2;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>&, DType) override {
    LayerPlan plan;
    plan.tops = {batch_, Shape{batch_[0]}};
    return plan;
  }

  void SetData(std::vector<float> values, std::vector<float> labels) override {
    const auto items = static_cast<int64_t>(labels.size());
    if (items == 0 || items % batch_[0] != 0) {
      Fail("got ", Counted(items, "item"), ", but needs a multiple of the batch size, ", batch_[0]);
    }
    if (static_cast<int64_t>(values.size()) != items * batch_.CountFrom(1)) {
      Fail("got ", Counted(values.size(), "value"), " for ", Counted(items, "item"), " of ",
           batch_.CountFrom(1));
    }
    values_ = std::move(values);
    labels_ = std::move(labels);
    if (started_) position_ = 0;
  }

  std::optional<uint64_t> position() const override { return position_; }
  void Seek(uint64_t records) override { position_ = records; }

  void Forward(Context& ctx, const BlobList&, const BlobList& top) override {
    if (labels_.empty()) Fail("has no data; call SetData before the net runs");
    const auto items = static_cast<size_t>(batch_[0]);
    const auto size = static_cast<size_t>(batch_.CountFrom(1));
    const size_t next = position_ % labels_.size();
    const auto from = [&](const std::vector<float>& all, size_t length) {
      const auto first = all.begin() + static_cast<int64_t>(next * length);
      return std::vector<float>(first, first + static_cast<int64_t>(items * length));
    };
    Upload(ctx, from(values_, size), *top[0]);
    Upload(ctx, from(labels_, 1), *top[1]);
    position_ += items;
    started_ = true;
  }

 private:
  Shape batch_;
  std::vector<float> values_, labels_;
  uint64_t position_ = 0;  // items given out, whatever the data's end
  bool started_ = false;
};

CREMA_REGISTER_LAYER("MemoryData", MemoryDataLayer);

}  // namespace
}  // namespace crema
