#include "data/window_batches.h"

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/numbers.h"
#include "crema/dev/philox.h"
#include "crema/error.h"
#include "data/decode_image.h"
#include "data/window_place.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

constexpr int kChannels = 3;
constexpr uint64_t kMirrorSalt = 0x6D6972726F72ull;

class WindowBatches : public BatchMaker {
 public:
  explicit WindowBatches(const WindowBatchOptions& options)
      : options_(options), batch_(options.position / static_cast<uint64_t>(options.batch_size)) {}

  // A record's number is that of its window in one of the two lists.
  void Read(std::vector<Record>* records) override {
    records->resize(static_cast<size_t>(options_.batch_size));
    for (size_t i = 0; i < records->size(); ++i) {
      const auto& list = ListOf(i);
      Record& record = (*records)[i];
      record.ordinal = batch_;
      record.number = RandomBelow(options_.random, batch_, i, static_cast<uint32_t>(list.size()));
    }
    ++batch_;
  }

  void Make(const std::vector<Record>& records, int, Batch* batch) override {
    const auto size =
        static_cast<size_t>(kChannels) * options_.shape.crop_size * options_.shape.crop_size;
    batch->data.assign(records.size() * size, 0.0f);
    batch->labels.resize(records.size());
    for (size_t i = 0; i < records.size(); ++i) {
      const ImageWindow& window = ListOf(i)[records[i].number];
      const bool mirrored =
          options_.mirror &&
          (RandomBits(options_.random ^ kMirrorSalt, records[i].ordinal, i) & 1) != 0;
      CutOut(window, mirrored, batch->data.data() + i * size);
      batch->labels[i] = static_cast<float>(window.label);
    }
  }

 private:
  const std::vector<ImageWindow>& ListOf(size_t item) const {
    const int foreground = ForegroundCount(options_.batch_size, options_.fg_fraction);
    const bool is_foreground = item >= static_cast<size_t>(options_.batch_size - foreground);
    return is_foreground ? options_.windows->foreground : options_.windows->background;
  }

  // `name` gives the beginning of a sentence.
  template <class Name>
  static std::string ReadImage(const std::string& path, const Name& name) {
    std::string why;
    const Descriptor file = TryOpenForReading(path, Accept::kFile, &why);
    if (!file.ok()) Fail(name(), " ", why, "; correct its path");
    return ReadFileBytes(file, path);
  }

  cv::Mat Load(size_t image) const {
    const std::string& path = options_.windows->images[image];
    const auto name = [&] {
      return Concat(options_.owner, ": the image ", path, ", number ", image,
                    " in the window file,");
    };
    const bool cached = options_.files != nullptr;
    const std::string file = cached ? "" : ReadImage(path, name);
    DecodeReport report;
    cv::Mat decoded =
        DecodeImage(cached ? (*options_.files)[image] : file, cv::IMREAD_COLOR, &report);
    if (decoded.empty()) Fail(name(), " cannot be decoded: ", report.problem);
    options_.flaws->Add(report.flaw, name);
    return decoded;
  }

  void CutOut(const ImageWindow& window, bool mirrored, float* out) const {
    const cv::Mat image = Load(window.image);
    CheckCorners(window, image.rows, image.cols, window.x1 <= window.x2 && window.y1 <= window.y2);
    const Placement place =
        PlaceWindow(options_.shape, {window.x1, window.y1, window.x2, window.y2}, image.rows,
                    image.cols, mirrored);
    const WindowBox& from = place.from;
    CheckCorners(window, image.rows, image.cols,
                 from.x1 >= 0 && from.y1 >= 0 && from.x1 <= from.x2 && from.y1 <= from.y2 &&
                     from.x2 < image.cols && from.y2 < image.rows);
    if (place.width < 1 || place.height < 1) return;  // all of it is outside
    cv::Mat cut;
    const cv::Rect rect(from.x1, from.y1, from.x2 - from.x1 + 1, from.y2 - from.y1 + 1);
    cv::resize(image(rect), cut, cv::Size(place.width, place.height), 0, 0, cv::INTER_LINEAR);
    if (mirrored) cv::flip(cut, cut, 1);
    Store(cut, place, out);
  }

  void CheckCorners(const ImageWindow& window, int height, int width, bool fits) const {
    if (fits) return;
    Fail(options_.owner, ": the window (", window.x1, ", ", window.y1, ") to (", window.x2, ", ",
         window.y2, ") of ", options_.windows->images[window.image],
         " is not inside the image, which is ", width, " x ", height);
  }

  void Store(const cv::Mat& cut, const Placement& place, float* out) const {
    const int crop = options_.shape.crop_size;
    for (int y = 0; y < cut.rows; ++y) {
      for (int x = 0; x < cut.cols; ++x) {
        const uint8_t* pixel = cut.ptr<uint8_t>(y) + x * kChannels;
        for (int64_t c = 0; c < kChannels; ++c) {
          const int row = y + place.top, col = x + place.left;
          out[(c * crop + row) * crop + col] =
              (static_cast<float>(pixel[c]) - Mean(static_cast<int>(c), row, col)) * options_.scale;
        }
      }
    }
  }

  // The middle of the mean image is that of the crop.
  float Mean(int c, int row, int col) const {
    const WindowBatchOptions& o = options_;
    if (!o.mean_image.empty()) {
      const int offset = (o.mean_width - o.shape.crop_size) / 2;
      const int64_t mean_row = int64_t{c} * o.mean_height + row + offset;
      return o.mean_image[static_cast<size_t>(mean_row * o.mean_width + col + offset)];
    }
    if (o.mean_values.empty()) return 0;
    return o.mean_values[o.mean_values.size() == 1 ? 0 : static_cast<size_t>(c)];
  }

  const WindowBatchOptions options_;
  uint64_t batch_;
};

}  // namespace

std::unique_ptr<BatchMaker> MakeWindowBatches(const WindowBatchOptions& options) {
  return std::make_unique<WindowBatches>(options);
}

}  // namespace crema
