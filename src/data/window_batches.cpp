#include "data/window_batches.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/numbers.h"
#include "crema/base/error.h"
#include "crema/math/philox.h"
#include "data/decode_image.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

constexpr int kChannels = 3;
constexpr uint64_t kMirrorSalt = 0x6D6972726F72ull;

// Sums and differences of a few such numbers fit in an int.
constexpr int kMostPixels = 1 << 28;

bool IsPlausible(const ImageWindow& window) {
  const auto fits = [](int x) { return x > -kMostPixels && x < kMostPixels; };
  return fits(window.x1) && fits(window.y1) && fits(window.x2) && fits(window.y2);
}

// Reads one image's part of the file. `number` counts them from 0.
void ReadImagePart(std::istream& file, const std::string& root, float fg_threshold,
                   float bg_threshold, const std::string& where, WindowList* list) {
  std::string path;
  int channels, height, width;
  int64_t count;
  if (!(file >> path >> channels >> height >> width >> count)) {
    Fail(where,
         "ends early, or its path, channels, height, width and number of windows are not in "
         "order");
  }
  if (channels != kChannels) {
    Fail(where, "has ", channels, " channels; images are read in colour, so it must say ",
         kChannels);
  }
  const size_t image = list->images.size();
  list->images.push_back(root + path);
  for (int64_t i = 0; i < count; ++i) {
    ImageWindow window;
    float overlap;
    window.image = image;
    if (!(file >> window.label >> overlap >> window.x1 >> window.y1 >> window.x2 >> window.y2)) {
      Fail(where, "ends early: it has ", i, " of ", count, " windows");
    }
    if (!IsPlausible(window)) {
      Fail(where, "has a window from (", window.x1, ", ", window.y1, ") to (", window.x2, ", ",
           window.y2, "); coordinates must be between -", kMostPixels, " and ", kMostPixels);
    }
    if (overlap >= fg_threshold) {
      if (window.label < 1) {
        Fail(where, "has a foreground window with the label ", window.label,
             "; 0 is the background");
      }
      list->foreground.push_back(window);
    } else if (overlap < bg_threshold) {
      window.label = 0;
      list->background.push_back(window);
    }
  }
}

// Where the cut-out goes: its size when it has been stretched, and the pixels left free around it.
struct Placement {
  cv::Rect from;
  cv::Size size;
  int left = 0, top = 0;
};

int Rounded(float value) {
  constexpr auto kMost = static_cast<float>(kMostPixels);
  return static_cast<int>(std::clamp(std::round(value), -kMost, kMost));
}

// Makes the window larger, so that context_pad pixels of surroundings are in the crop, or square;
// what would be outside of the image stays free.
Placement PlaceWithContext(const WindowBatchOptions& o, const ImageWindow& window, cv::Size image,
                           bool mirrored) {
  const float crop = static_cast<float>(o.crop_size);
  const float grow = crop / static_cast<float>(o.crop_size - 2 * o.context_pad);
  float half_height = static_cast<float>(window.y2 - window.y1 + 1) / 2;
  float half_width = static_cast<float>(window.x2 - window.x1 + 1) / 2;
  const float center_x = static_cast<float>(window.x1) + half_width;
  const float center_y = static_cast<float>(window.y1) + half_height;
  if (o.square) half_width = half_height = std::max(half_width, half_height);
  const int x1 = Rounded(center_x - half_width * grow), x2 = Rounded(center_x + half_width * grow);
  const int y1 = Rounded(center_y - half_height * grow),
            y2 = Rounded(center_y + half_height * grow);
  const int out_left = std::max(0, -x1), out_right = std::max(0, x2 - image.width + 1);
  const int out_top = std::max(0, -y1), out_bottom = std::max(0, y2 - image.height + 1);
  const float scale_x = crop / static_cast<float>(x2 - x1 + 1);
  const float scale_y = crop / static_cast<float>(y2 - y1 + 1);
  Placement place;
  place.from = cv::Rect(cv::Point(x1 + out_left, y1 + out_top),
                        cv::Point(x2 - out_right + 1, y2 - out_bottom + 1));
  place.left = Rounded(static_cast<float>(mirrored ? out_right : out_left) * scale_x);
  place.top = Rounded(static_cast<float>(out_top) * scale_y);
  place.size.width =
      std::min(Rounded(static_cast<float>(place.from.width) * scale_x), o.crop_size - place.left);
  place.size.height =
      std::min(Rounded(static_cast<float>(place.from.height) * scale_y), o.crop_size - place.top);
  return place;
}

Placement Place(const WindowBatchOptions& o, const ImageWindow& window, cv::Size image,
                bool mirrored) {
  if (o.context_pad > 0 || o.square) return PlaceWithContext(o, window, image, mirrored);
  Placement place;
  place.from = cv::Rect(cv::Point(window.x1, window.y1), cv::Point(window.x2 + 1, window.y2 + 1));
  place.size = cv::Size(o.crop_size, o.crop_size);
  return place;
}

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
    const auto size = static_cast<size_t>(kChannels) * options_.crop_size * options_.crop_size;
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
    const auto foreground = static_cast<size_t>(options_.batch_size * options_.fg_fraction);
    const bool is_foreground = item >= static_cast<size_t>(options_.batch_size) - foreground;
    return is_foreground ? options_.windows.foreground : options_.windows.background;
  }

  cv::Mat Load(size_t image) const {
    const std::string& path = options_.windows.images[image];
    const auto fail = [&](const std::string& problem) {
      Fail(options_.owner, ": the image ", path, ", number ", image, " in the window file, ",
           problem);
    };
    const bool cached = !options_.files.empty();
    if (!cached && !std::ifstream(path).good()) fail("cannot be opened; correct its path");
    const std::string file = cached ? "" : ReadFileBytes(path);
    std::string problem;
    cv::Mat decoded =
        DecodeImage(cached ? options_.files[image] : file, cv::IMREAD_COLOR, &problem);
    if (decoded.empty()) fail("cannot be decoded: " + problem);
    return decoded;
  }

  void CutOut(const ImageWindow& window, bool mirrored, float* out) const {
    const cv::Mat image = Load(window.image);
    const Placement place = Place(options_, window, image.size(), mirrored);
    const cv::Rect& from = place.from;
    const bool inside = from.x >= 0 && from.y >= 0 && from.width > 0 && from.height > 0 &&
                        from.x + from.width <= image.cols && from.y + from.height <= image.rows;
    if (!inside || window.x2 < window.x1 || window.y2 < window.y1) {
      Fail(options_.owner, ": a window of ", options_.windows.images[window.image], " from (",
           window.x1, ", ", window.y1, ") to (", window.x2, ", ", window.y2,
           ") is not within the "
           "image, which is ",
           image.cols, " wide and ", image.rows, " high");
    }
    if (place.size.width < 1 || place.size.height < 1) return;  // all of it is outside
    cv::Mat cut;
    cv::resize(image(from), cut, place.size, 0, 0, cv::INTER_LINEAR);
    if (mirrored) cv::flip(cut, cut, 1);
    for (int y = 0; y < cut.rows; ++y) {
      for (int x = 0; x < cut.cols; ++x) {
        const uint8_t* pixel = cut.ptr<uint8_t>(y) + x * kChannels;
        for (int64_t c = 0; c < kChannels; ++c) {
          const int row = y + place.top, col = x + place.left;
          out[(c * options_.crop_size + row) * options_.crop_size + col] =
              (static_cast<float>(pixel[c]) - Mean(static_cast<int>(c), row, col)) * options_.scale;
        }
      }
    }
  }

  // The middle of the mean image is that of the crop.
  float Mean(int c, int row, int col) const {
    const WindowBatchOptions& o = options_;
    if (!o.mean_image.empty()) {
      const int offset = (o.mean_width - o.crop_size) / 2;
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

WindowList ReadWindowList(const std::string& path, const std::string& root, float fg_threshold,
                          float bg_threshold, const std::string& owner) {
  std::ifstream file(path);
  UsePlainNumbers(file);
  if (!file) Fail(owner, ": the window file ", path, " cannot be opened: ", std::strerror(errno));
  WindowList list;
  std::string mark;
  while (file >> mark) {
    const std::string where =
        Concat(owner, ": ", path, ": image ", list.images.size(), " (counted from 0) ");
    int64_t index;
    if (mark != "#" || !(file >> index)) {
      Fail(where, "begins with \"", mark, "\"; it must begin with # and a number");
    }
    ReadImagePart(file, root, fg_threshold, bg_threshold, where, &list);
  }
  if (list.images.empty()) Fail(owner, ": the window file ", path, " is empty");
  return list;
}

std::unique_ptr<BatchMaker> MakeWindowBatches(const WindowBatchOptions& options) {
  return std::make_unique<WindowBatches>(options);
}

}  // namespace crema
