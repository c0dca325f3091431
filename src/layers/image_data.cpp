// ImageData: batches of the images that a text file lists, and their labels.
#include <algorithm>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/layer/counts_records.h"
#include "crema/layer/registry.h"
#include "crema/math/host_tasks.h"
#include "crema/math/philox.h"
#include "data/image_batches.h"
#include "layers/shared/upload.h"

namespace crema {
namespace {

constexpr int kPrefetch = 4;  // batches

// Decoding threads. On the CPU the net itself wants the cores.
int WorkersFor(DeviceKind kind) {
  if (kind != DeviceKind::kCuda) return 2;
  return std::clamp(HostProcessors() / 2, 1, kPrefetch);
}

class ImageDataLayer : public Layer, public CountsRecords {
 public:
  ImageDataLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::ImageDataParameter& data = config.image_data_param();
    if (data.source().empty()) Fail("image_data_param has no `source`; set it to a list of images");
    CheckRange(Title() + ": batch_size", data.batch_size(), 1, 1 << 30);
    CheckRange(Title() + ": new_height", data.new_height(), 0, 1 << 16);
    CheckRange(Title() + ": new_width", data.new_width(), 0, 1 << 16);
    if ((data.new_height() == 0) != (data.new_width() == 0)) {
      Fail("new_height is ", data.new_height(), " and new_width is ", data.new_width(),
           "; set both or neither");
    }
  }

  LayerTraits traits() const override { return LayerTraits::Source(1, 2); }

  LayerPlan Plan(const PlanInput&) override {
    if (options_.images == nullptr) ReadOptions();
    const ImageSize& size = options_.size;
    LayerPlan plan;
    plan.tops = {Shape{options_.batch_size, size.channels, size.height, size.width}};
    if (config().top_size() > 1) plan.tops.push_back(Shape{options_.batch_size});
    const size_t order = options_.shuffle ? options_.images->size() * sizeof(uint32_t) : 0;
    plan.host_bytes = HeldBytes(*options_.images) + order;
    return plan;
  }

  void Start(Context& ctx) override {
    options_.random = MixKeys(ctx.seed(), random_key());
    options_.workers = WorkersFor(ctx.kind());
    started_ = true;
    StartPrefetching();
  }

  void Forward(Context& ctx, const BlobList&, const BlobList& top) override {
    prefetcher_->Take([&](const Batch& batch) {
      Upload(ctx, batch.data, *top[0]);
      if (top.size() > 1) Upload(ctx, batch.labels, *top[1]);
    });
    position_ += static_cast<uint64_t>(options_.batch_size);
  }

  std::optional<uint64_t> position() const override { return position_; }
  std::optional<double> waited_seconds() const override { return prefetcher_->waited_seconds(); }

  uint64_t records() const override { return options_.images->size(); }

  void Seek(uint64_t records) override {
    position_ = records;
    if (started_) StartPrefetching();
  }

 private:
  void ReadOptions() {
    const proto::ImageDataParameter& data = config().image_data_param();
    options_.owner = Title();
    options_.list = data.source();
    options_.transformer =
        std::make_shared<Transformer>(config().transform_param(), phase(), Title());
    options_.color = data.is_color() ? ColorMode::kColor : ColorMode::kGray;
    options_.new_height = static_cast<int>(data.new_height());
    options_.new_width = static_cast<int>(data.new_width());
    options_.batch_size = static_cast<int>(data.batch_size());
    options_.shuffle = data.shuffle();
    options_.rand_skip = data.rand_skip();
    options_.root = data.root_folder();
    options_.images =
        std::make_shared<const std::vector<ListedImage>>(ReadImageList(data.source(), Title()));
    options_.size = InspectImage(options_, 0);
  }

  void StartPrefetching() {
    prefetcher_.reset();
    options_.position = position_;
    prefetcher_ =
        std::make_unique<Prefetcher>(MakeImageBatches(options_), kPrefetch, options_.workers);
  }

  ImageBatchOptions options_;
  bool started_ = false;
  uint64_t position_ = 0;
  std::unique_ptr<Prefetcher> prefetcher_;
};

CREMA_REGISTER_LAYER("ImageData", ImageDataLayer);

}  // namespace
}  // namespace crema
