// Data: batches of images and labels from an LMDB or LevelDB database.
#include <algorithm>
#include <limits>
#include <memory>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/counts_records.h"
#include "crema/dev/registry.h"
#include "data/record_batches.h"
#include "layers/shared/data/prefetching_layer.h"

namespace crema {
namespace {

// The old place of force_color is data_param.
proto::TransformationParameter TransformParam(const proto::LayerParameter& config) {
  proto::TransformationParameter transform = config.transform_param();
  if (config.data_param().force_encoded_color()) transform.set_force_color(true);
  return transform;
}

class DataLayer : public PrefetchingLayer, public CountsRecords {
 public:
  DataLayer(const proto::LayerParameter& config, Phase phase) : PrefetchingLayer(config, phase) {
    const proto::DataParameter& data = config.data_param();
    if (data.source().empty()) Fail("data_param has no `source`; set it to a database folder");
    CheckGiven(Title() + ": batch_size", data.has_batch_size(), data.batch_size(), 1,
               std::numeric_limits<int>::max());
    options_.owner = Title();
    options_.batch_size = static_cast<int>(data.batch_size());
    options_.with_labels = config.top_size() > 1;
    options_.shuffle = data.shuffle();
    options_.rand_skip = data.rand_skip();
    options_.key = random_key();
  }

  LayerTraits traits() const override { return LayerTraits::Source(1, 2); }

  LayerPlan Plan(const PlanInput&) override {
    if (options_.source == nullptr) OpenSource();
    const ImageSize& size = options_.size;
    LayerPlan plan;
    plan.tops = {Shape{options_.batch_size, size.channels, size.height, size.width}};
    if (options_.with_labels) plan.tops.push_back(Shape{options_.batch_size});
    if (options_.shuffle) plan.host_bytes = BytesToShuffle(*options_.source, key_bytes_);
    return plan;
  }

  uint64_t records() const override {
    const std::optional<uint64_t> known = options_.source->KnownCount();
    return known.has_value() ? *known : options_.source->Keys().size();
  }

 protected:
  void Open(Context& ctx) override {
    options_.seed = ctx.seed();
    options_.workers = DecodingThreads(ctx.kind(), encoded_ ? 2 : 1, encoded_ ? 8 : 4);
  }

  Batches MakeBatches(uint64_t position) override {
    options_.position = position;
    const int depth = static_cast<int>(std::clamp(config().data_param().prefetch(), 1u, 1024u));
    return {MakeRecordBatches(options_), depth, options_.workers};
  }

 private:
  void OpenSource() {
    const proto::DataParameter& data = config().data_param();
    auto transformer = std::make_shared<Transformer>(TransformParam(config()), phase(), Title());
    const bool lmdb = data.backend() == proto::DataParameter::LMDB;
    std::shared_ptr<RecordSource> source;
    try {
      source = OpenRecordSource(lmdb ? Backend::kLmdb : Backend::kLevelDb, data.source());
    } catch (const Error& error) {
      Fail(error);
    }
    const FirstRecord first = InspectFirstRecord(*source, *transformer, options_.flaws);
    options_.size = first.size;
    encoded_ = first.encoded;
    key_bytes_ = first.key_bytes;
    options_.transformer = std::move(transformer);
    options_.source = std::move(source);
  }

  RecordBatchOptions options_;
  bool encoded_ = false;
  size_t key_bytes_ = 0;  // of the first record
};

CREMA_REGISTER_LAYER("Data", DataLayer);

}  // namespace
}  // namespace crema
