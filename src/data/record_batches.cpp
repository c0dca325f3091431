#include "data/record_batches.h"

#include <glog/logging.h>

#include <utility>

#include "crema/dev/philox.h"
#include "crema/error.h"

namespace crema {
namespace {

// Keeps the numbers of the order and of the skip apart from those of the transformer.
constexpr uint64_t kOrderSalt = 0x6F72646572ull;
constexpr uint64_t kSkipSalt = 0x736B6970ull;

uint64_t SkipOf(const RecordBatchOptions& options) {
  if (options.rand_skip == 0) return 0;
  return RandomBelow(MixKeys(options.seed, options.key ^ kSkipSalt), 0, 0,
                     static_cast<uint32_t>(options.rand_skip));
}

class RecordBatches : public BatchMaker {
 public:
  explicit RecordBatches(const RecordBatchOptions& options)
      : options_(options),
        random_(MixKeys(options.seed, options.key)),
        stream_(options.source, options.shuffle, MixKeys(options.seed, options.key ^ kOrderSalt),
                SkipOf(options), options.position) {
    for (int i = 0; i < options.workers; ++i) {
      decoders_.emplace_back(options.transformer->color(), options.source->title(), options.flaws);
    }
  }

  void Read(std::vector<Record>* records) override {
    records->resize(static_cast<size_t>(options_.batch_size));
    stream_.Next(records->data(), records->size());
  }

  void Make(const std::vector<Record>& records, int worker, Batch* batch) override {
    const size_t stride = static_cast<size_t>(options_.size.count());
    batch->data.resize(records.size() * stride);
    batch->labels.resize(options_.with_labels ? records.size() : 0);
    for (size_t i = 0; i < records.size(); ++i) {
      const Image& image = decoders_[worker].Decode(records[i]);
      CheckSize(image, records[i]);
      options_.transformer->Transform(image, random_, records[i].ordinal,
                                      batch->data.data() + i * stride);
      if (options_.with_labels) batch->labels[i] = static_cast<float>(image.label);
    }
  }

 private:
  void CheckSize(const Image& image, const Record& record) const {
    const auto name = [&] { return NameRecord(options_.source->title(), record); };
    const ImageSize size = options_.transformer->OutputSize(image.size, name);
    if (size == options_.size) return;
    Fail(options_.owner, ": ", name(), " has size ", size.ToString(),
         " (channels x height x width), but the first record has ", options_.size.ToString(),
         "; recreate the database with --resize_height and --resize_width, or set "
         "crop_size or force_color in transform_param");
  }

  const RecordBatchOptions options_;
  const uint64_t random_;
  RecordStream stream_;
  std::vector<DatumDecoder> decoders_;  // one a worker
};

}  // namespace

std::unique_ptr<BatchMaker> MakeRecordBatches(const RecordBatchOptions& options) {
  return std::make_unique<RecordBatches>(options);
}

size_t BytesToShuffle(const RecordSource& source, size_t key_bytes) {
  constexpr size_t kOrder = sizeof(uint32_t);
  return source.KnownCount().value_or(0) * (key_bytes + KeyIndex::kBytesBesideKey + kOrder);
}

FirstRecord InspectFirstRecord(RecordSource& source, const Transformer& transformer,
                               std::shared_ptr<FlawLog> flaws) {
  const std::unique_ptr<RecordCursor> cursor = source.NewCursor();
  if (!cursor->First()) FailDatabase(source.title(), "read", "its first record has disappeared");
  const Record record = {0, 0, std::string(cursor->key()), std::string(cursor->value())};
  DatumDecoder decoder(transformer.color(), source.title(), std::move(flaws));
  const ImageSize size = decoder.Decode(record).size;
  if (!decoder.was_encoded() && transformer.color() != ColorMode::kAsStored) {
    LOG(WARNING) << source.title() << ": its records are not compressed images, so "
                 << (transformer.color() == ColorMode::kColor ? "force_color" : "force_gray")
                 << " has no effect";
  }
  const auto name = [&] { return NameRecord(source.title(), record); };
  return {transformer.OutputSize(size, name), decoder.was_encoded(), record.key.size()};
}

}  // namespace crema
