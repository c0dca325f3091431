// WindowData: batches of windows that are cut out of images, a share of them with objects.
#include <algorithm>
#include <memory>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/philox.h"
#include "crema/dev/registry.h"
#include "data/held_bytes.h"
#include "data/window_batches.h"
#include "layers/shared/data/prefetching_layer.h"
#include "schema/binary_io.h"
#include "schema/weights_io.h"

namespace crema {
namespace {

class WindowDataLayer : public PrefetchingLayer {
 public:
  WindowDataLayer(const proto::LayerParameter& config, Phase phase)
      : PrefetchingLayer(config, phase) {
    const proto::WindowDataParameter& data = config.window_data_param();
    if (data.source().empty()) Fail("window_data_param has no `source`; set it to a window file");
    CheckGiven(Title() + ": batch_size", data.has_batch_size(), data.batch_size(), 1, 1 << 30);
    const int64_t crop = CropSize();
    const bool has_crop = config.transform_param().has_crop_size() || data.has_crop_size();
    CheckGiven(Title() + ": crop_size", has_crop, crop, 1, 1 << 16,
               "set transform_param { crop_size } to the size of the net's input");
    CheckRange(Title() + ": context_pad", data.context_pad(), 0, (crop - 1) / 2,
               "it must be less than half of crop_size");
    if (data.crop_mode() != "warp" && data.crop_mode() != "square") {
      Fail("crop_mode is '", data.crop_mode(), "'; use \"warp\" or \"square\"");
    }
    if (!(data.fg_fraction() >= 0 && data.fg_fraction() <= 1)) {
      Fail("fg_fraction is ", data.fg_fraction(), ", but must be from 0 to 1");
    }
  }

  LayerTraits traits() const override { return LayerTraits::Source(2, 2); }

  LayerPlan Plan(const PlanInput&) override {
    if (options_.windows == nullptr) ReadOptions();
    LayerPlan plan;
    const int64_t size = options_.shape.crop_size;
    plan.tops = {Shape{options_.batch_size, 3, size, size}, Shape{options_.batch_size}};
    plan.host_bytes = HeldBytes(*options_.windows);
    if (options_.files != nullptr) plan.host_bytes += HeldBytes(*options_.files);
    return plan;
  }

 protected:
  void Open(Context& ctx) override {
    options_.random = MixKeys(ctx.seed(), random_key());
    options_.workers = DecodingThreads(ctx.kind(), 2, kDepth);
  }

  Batches MakeBatches(uint64_t position) override {
    options_.position = position;
    return {MakeWindowBatches(options_), kDepth, options_.workers};
  }

 private:
  int64_t CropSize() const {
    return std::max(config().transform_param().crop_size(),
                    config().window_data_param().crop_size());
  }

  void ReadOptions() {
    const proto::WindowDataParameter& data = config().window_data_param();
    const proto::TransformationParameter& transform = config().transform_param();
    options_.owner = Title();
    options_.batch_size = static_cast<int>(data.batch_size());
    options_.shape.crop_size = static_cast<int>(CropSize());
    options_.shape.context_pad = static_cast<int>(data.context_pad());
    options_.fg_fraction = data.fg_fraction();
    options_.shape.square = data.crop_mode() == "square";
    options_.mirror = transform.mirror() || data.mirror();
    options_.scale = transform.scale() * data.scale();
    ReadMean(transform);
    options_.windows = std::make_shared<const WindowList>(ReadWindowList(
        data.source(), data.root_folder(), data.fg_threshold(), data.bg_threshold(), Title()));
    CheckWindows();
    if (!data.cache_images()) return;
    std::vector<std::string> files;
    for (const std::string& path : options_.windows->images) {
      files.push_back(ReadFileBytes(path, Accept::kFile));
    }
    options_.files = std::make_shared<const std::vector<std::string>>(std::move(files));
  }

  void ReadMean(const proto::TransformationParameter& transform) {
    const std::string& file = transform.has_mean_file() ? transform.mean_file()
                                                        : config().window_data_param().mean_file();
    options_.mean_values.assign(transform.mean_value().begin(), transform.mean_value().end());
    if (!file.empty() && !options_.mean_values.empty()) {
      Fail("sets both mean_file and mean_value; set only one");
    }
    if (options_.mean_values.size() > 1 && options_.mean_values.size() != 3) {
      Fail("gives mean_value ", options_.mean_values.size(),
           " times; give it once, or once per channel (3)");
    }
    if (file.empty()) return;
    const SavedBlob mean = ReadMeanFile(file);
    const Shape shape(mean.shape);  // Error if it is too large
    const size_t rank = mean.shape.size();
    const bool fits =
        rank >= 3 && mean.shape[rank - 3] == 3 &&
        mean.data.size() == static_cast<size_t>(3 * mean.shape[rank - 2] * mean.shape[rank - 1]) &&
        mean.shape[rank - 2] >= mean.shape[rank - 1] &&
        mean.shape[rank - 1] >= options_.shape.crop_size;
    if (!fits) {
      Fail(file, ": has shape ", shape.ToString(), "; the mean must have 3 channels, be at least ",
           options_.shape.crop_size, " wide, and be at least as high as wide");
    }
    options_.mean_image = mean.data;
    options_.mean_height = static_cast<int>(mean.shape[rank - 2]);
    options_.mean_width = static_cast<int>(mean.shape[rank - 1]);
  }

  void CheckWindows() const {
    const int foreground = ForegroundCount(options_.batch_size, options_.fg_fraction);
    const WindowList& windows = *options_.windows;
    const bool lacks_foreground = foreground > 0 && windows.foreground.empty();
    const bool lacks_background = foreground < options_.batch_size && windows.background.empty();
    if (!lacks_foreground && !lacks_background) return;
    Fail(config().window_data_param().source(), " has no ",
         lacks_foreground ? "foreground" : "background", " windows; change ",
         lacks_foreground ? "fg_threshold" : "bg_threshold", " or fg_fraction");
  }

  WindowBatchOptions options_;
};

CREMA_REGISTER_LAYER("WindowData", WindowDataLayer);

}  // namespace
}  // namespace crema
