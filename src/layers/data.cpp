// Data: batches of images and labels from an LMDB or LevelDB database.
#include <algorithm>
#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/layer/counts_records.h"
#include "crema/layer/registry.h"
#include "crema/math/host_tasks.h"
#include "data/record_batches.h"
#include "layers/shared/upload.h"

namespace crema {
namespace {

// The old place of force_color is data_param.
proto::TransformationParameter TransformParam(const proto::LayerParameter& config) {
  proto::TransformationParameter transform = config.transform_param();
  if (config.data_param().force_encoded_color()) transform.set_force_color(true);
  return transform;
}

// Decoding threads. On the CPU the net itself wants the cores.
int WorkersFor(DeviceKind kind, bool encoded) {
  if (kind != DeviceKind::kCuda) return encoded ? 2 : 1;
  const int cores = HostProcessors();
  return std::clamp(cores / 2, 1, encoded ? 8 : 4);
}

class DataLayer : public Layer, public CountsRecords {
 public:
  DataLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
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
    return plan;
  }

  void Start(Context& ctx) override {
    options_.seed = ctx.seed();
    options_.workers = WorkersFor(ctx.kind(), encoded_);
    started_ = true;
    StartPrefetching();
  }

  void Forward(Context& ctx, const BlobList&, const BlobList& top) override {
    prefetcher_->Take([&](const Batch& batch) {
      Upload(ctx, batch.data, *top[0]);
      if (options_.with_labels) Upload(ctx, batch.labels, *top[1]);
    });
    position_ += static_cast<uint64_t>(options_.batch_size);
  }

  std::optional<uint64_t> position() const override { return position_; }
  std::optional<double> waited_seconds() const override { return prefetcher_->waited_seconds(); }

  uint64_t records() const override {
    const std::optional<uint64_t> known = options_.source->KnownCount();
    return known.has_value() ? *known : options_.source->Keys().size();
  }

  void Seek(uint64_t records) override {
    position_ = records;
    if (started_) StartPrefetching();
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
    options_.transformer = std::move(transformer);
    options_.source = std::move(source);
  }

  void StartPrefetching() {
    prefetcher_.reset();
    options_.position = position_;
    const int depth = static_cast<int>(std::clamp(config().data_param().prefetch(), 1u, 1024u));
    prefetcher_ =
        std::make_unique<Prefetcher>(MakeRecordBatches(options_), depth, options_.workers);
  }

  RecordBatchOptions options_;
  bool encoded_ = false;
  bool started_ = false;
  uint64_t position_ = 0;
  std::unique_ptr<Prefetcher> prefetcher_;
};

CREMA_REGISTER_LAYER("Data", DataLayer);

}  // namespace
}  // namespace crema
