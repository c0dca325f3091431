// ImageData: batches of the images that a text file lists, and their labels.
#include <memory>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/counts_records.h"
#include "crema/dev/philox.h"
#include "crema/dev/registry.h"
#include "data/image_batches.h"
#include "layers/shared/data/prefetching_layer.h"

namespace crema {
namespace {

class ImageDataLayer : public PrefetchingLayer, public CountsRecords {
 public:
  ImageDataLayer(const proto::LayerParameter& config, Phase phase)
      : PrefetchingLayer(config, phase) {
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

  uint64_t records() const override { return options_.images->size(); }

 protected:
  void Open(Context& ctx) override {
    options_.random = MixKeys(ctx.seed(), random_key());
    options_.workers = DecodingThreads(ctx.kind(), 2, kDepth);
  }

  Batches MakeBatches(uint64_t position) override {
    options_.position = position;
    return {MakeImageBatches(options_), kDepth, options_.workers};
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

  ImageBatchOptions options_;
};

CREMA_REGISTER_LAYER("ImageData", ImageDataLayer);

}  // namespace
}  // namespace crema
