#include "data/image_batches.h"

#include <utility>

#include "crema/dev/philox.h"
#include "crema/error.h"

namespace crema {
namespace {

constexpr uint64_t kOrderSalt = 0x6F72646572ull, kSkipSalt = 0x736B6970ull;

std::string NameImage(const ImageBatchOptions& options, const ListedImage& image) {
  return Concat(options.owner, ": ", options.list, ":", image.line);
}

std::string PathOf(const ImageBatchOptions& options, const ListedImage& image) {
  return options.root + image.path;
}

// The list's entries, in place of records: the images are read when batches are made of them.
class ImageBatches : public BatchMaker {
 public:
  explicit ImageBatches(const ImageBatchOptions& options)
      : options_(options), ordinal_(options.position) {
    if (options.rand_skip > 0) {
      skip_ =
          RandomBelow(options.random ^ kSkipSalt, 0, 0, static_cast<uint32_t>(options.rand_skip));
    }
    if (options.shuffle) {
      order_ = std::make_unique<ShuffledOrder>(options.images->size(), options.random ^ kOrderSalt);
    }
    for (int i = 0; i < options.workers; ++i) {
      decoders_.emplace_back(options.color, options.new_height, options.new_width, options.flaws);
    }
  }

  void Read(std::vector<Record>* records) override {
    records->resize(static_cast<size_t>(options_.batch_size));
    for (Record& record : *records) {
      const uint64_t place = ordinal_ + skip_;
      record.ordinal = ordinal_++;
      record.number = order_ != nullptr ? (*order_)[place] : place % options_.images->size();
    }
  }

  void Make(const std::vector<Record>& records, int worker, Batch* batch) override {
    const auto stride = static_cast<size_t>(options_.size.count());
    batch->data.resize(records.size() * stride);
    batch->labels.resize(records.size());
    for (size_t i = 0; i < records.size(); ++i) {
      const ListedImage& listed = (*options_.images)[records[i].number];
      const Image& image =
          decoders_[worker].Read(PathOf(options_, listed), NameImage(options_, listed));
      CheckSize(image, listed);
      options_.transformer->Transform(image, options_.random, records[i].ordinal,
                                      batch->data.data() + i * stride);
      batch->labels[i] = static_cast<float>(listed.label);
    }
  }

 private:
  void CheckSize(const Image& image, const ListedImage& listed) const {
    const auto name = [&] {
      return NameImage(options_, listed) + ": the image " + PathOf(options_, listed);
    };
    const ImageSize size = options_.transformer->OutputSize(image.size, name);
    if (size == options_.size) return;
    Fail(name(), " has size ", size.ToString(),
         " (channels x height x width), but the first image has ", options_.size.ToString(),
         "; set new_height and new_width, or crop_size");
  }

  const ImageBatchOptions options_;
  uint64_t ordinal_, skip_ = 0;
  std::unique_ptr<ShuffledOrder> order_;
  std::vector<ImageFileDecoder> decoders_;  // one a worker
};

}  // namespace

std::unique_ptr<BatchMaker> MakeImageBatches(const ImageBatchOptions& options) {
  return std::make_unique<ImageBatches>(options);
}

ImageSize InspectImage(const ImageBatchOptions& options, size_t index) {
  const ListedImage& listed = (*options.images)[index];
  // Not resized: that may take much memory, for a net that is only looked at.
  ImageFileDecoder decoder(options.color, 0, 0, options.flaws);
  ImageSize size = decoder.Read(PathOf(options, listed), NameImage(options, listed)).size;
  if (options.new_height > 0 && options.new_width > 0) {
    size.height = options.new_height;
    size.width = options.new_width;
  }
  const auto name = [&] {
    return NameImage(options, listed) + ": the image " + PathOf(options, listed);
  };
  return options.transformer->OutputSize(size, name);
}

}  // namespace crema
