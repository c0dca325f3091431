// MemoryData: batches from memory, given by the program; see memory_source.h.
#include <limits>

#include "base/counted.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "crema/memory_source.h"
#include "layers/shared/data/record_layer.h"
#include "layers/shared/data/upload.h"

namespace crema {
namespace {

class MemoryDataLayer : public RecordLayer, public MemorySource {
 public:
  MemoryDataLayer(const proto::LayerParameter& config, Phase phase) : RecordLayer(config, phase) {
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

  LayerTraits traits() const override { return LayerTraits::Source(2, 2); }

  LayerPlan Plan(const PlanInput&) override {
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
    if (has_run_) Seek(0);
  }

 protected:
  void GoTo(uint64_t) override {}  // FillTops looks where it is

  void FillTops(Context& ctx, const BlobList& top) override {
    if (labels_.empty()) Fail("has no data; call SetData before the net runs");
    const auto items = static_cast<size_t>(batch_[0]);
    const auto size = static_cast<size_t>(batch_.CountFrom(1));
    const size_t of_rank = static_cast<size_t>(rank().index) * items;
    const size_t next = (*position() + of_rank) % labels_.size();
    const auto from = [&](const std::vector<float>& all, size_t length) {
      const auto first = all.begin() + static_cast<int64_t>(next * length);
      return std::vector<float>(first, first + static_cast<int64_t>(items * length));
    };
    Upload(ctx, from(values_, size), *top[0]);
    Upload(ctx, from(labels_, 1), *top[1]);
    has_run_ = true;
  }

 private:
  Shape batch_;
  std::vector<float> values_, labels_;
  bool has_run_ = false;
};

CREMA_REGISTER_LAYER("MemoryData", MemoryDataLayer);

}  // namespace
}  // namespace crema
