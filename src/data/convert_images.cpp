// Databases from image files.
#include <glog/logging.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "base/numbers.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/base/error.h"
#include "crema/math/philox.h"
#include "data/convert.h"
#include "data/datum.h"
#include "data/decode_image.h"
#include "data/image_codecs.h"
#include "data/record_writer.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

// One image that is to be converted.
struct Entry {
  std::string path;  // relative to the root
  int label;
  std::string place;  // "LIST:LINE: ", or empty
};

// What became of it.
struct Converted {
  std::string value;
  ImageSize size;
  std::string error;  // empty: none
};

// "jpg" of "a/b.JPG"; JPEG has two names.
std::string ImageType(const std::string& path) {
  std::string type = LowerCase(fs::path(path).extension().string());
  if (!type.empty()) type.erase(0, 1);
  return type == "jpeg" ? "jpg" : type;
}

// Channel by channel, as a Datum holds pixels.
std::string Planes(const cv::Mat& image) {
  std::string planes(image.total() * static_cast<size_t>(image.channels()), '\0');
  std::vector<cv::Mat> parts;
  for (int c = 0; c < image.channels(); ++c) {
    parts.emplace_back(image.rows, image.cols, CV_8UC1,
                       &planes[static_cast<size_t>(c) * image.total()]);
  }
  cv::split(image, parts);
  return planes;
}

cv::Mat DecodeFile(const std::string& bytes, const ImageOptions& options) {
  std::string problem;
  const int flag = options.gray ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR;
  cv::Mat image = DecodeImage(bytes, flag, &problem);
  if (image.empty()) Fail("is not an image that OpenCV can read, or is damaged: ", problem);
  if (options.resize_height == 0) return image;
  cv::Mat resized;
  cv::resize(image, resized, cv::Size(options.resize_width, options.resize_height));
  return resized;
}

// The bytes of `image` as a file of the wanted type: those of the file itself where it fits.
std::string EncodeImage(const std::string& path, std::string bytes, const cv::Mat& image,
                        const ImageOptions& options) {
  const std::string type = ImageType(path);
  const std::string wanted =
      options.encode_type.empty() ? type : ImageType("x." + options.encode_type);
  if (wanted.empty()) Fail("has no extension that tells its type; give --encode_type");
  if (wanted == type && options.resize_height == 0) return bytes;
  std::vector<unsigned char> encoded;
  if (!LoadImageCodecs().encode("." + wanted, image, {}, &encoded)) {
    Fail("could not be stored as '", wanted, "'; give another --encode_type, such as jpg or png");
  }
  return std::string(encoded.begin(), encoded.end());
}

void Convert(const std::string& path, int label, const ImageOptions& options, Converted* out) {
  std::string bytes = ReadFileBytes(path);
  if (bytes.empty()) Fail("is empty");
  const cv::Mat image = DecodeFile(bytes, options);
  out->size = {image.channels(), image.rows, image.cols};
  proto::Datum datum;
  datum.set_channels(image.channels());
  datum.set_height(image.rows);
  datum.set_width(image.cols);
  datum.set_label(label);
  if (options.encoded || !options.encode_type.empty()) {
    datum.set_data(EncodeImage(path, std::move(bytes), image, options));
    datum.set_encoded(true);
  } else {
    datum.set_data(Planes(image));
  }
  out->value = datum.SerializeAsString();
}

Converted ConvertEntry(const std::string& root, const Entry& entry, const ImageOptions& options) {
  const std::string path = root + entry.path;
  Converted result;
  try {
    Convert(path, entry.label, options, &result);
  } catch (const Error& error) {
    result.error = error.what();
  } catch (const cv::Exception& exception) {
    result.error = exception.err;
  }
  if (result.error.empty()) return result;
  // Some sentences begin with the file's name already.
  const bool named = result.error.compare(0, path.size(), path) == 0;
  result.error = entry.place + (named ? "" : "'" + path + "' ") + result.error;
  return result;
}

// Runs task(0) .. task(count - 1), which must not throw, on all cores.
template <class Task>
void RunTasks(size_t count, const Task& task) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) task(i);
  };
  std::vector<std::thread> threads;
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  for (size_t i = 1; i < std::min(cores, count); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

// Takes the converted images in order, and remembers what is wrong with them.
class Collector {
 public:
  Collector(RecordWriter* writer, const ImageOptions& options)
      : writer_(*writer), options_(options) {}

  void Add(uint64_t index, const Entry& entry, Converted converted) {
    if (converted.error.empty()) CheckSize(entry, &converted);
    if (!converted.error.empty()) {
      errors_.push_back(std::move(converted.error));
      return;
    }
    char number[24];
    std::snprintf(number, sizeof number, "%08llu", static_cast<unsigned long long>(index));
    std::string key = Concat(number, "_", entry.path);
    key.resize(std::min(key.size(), kMaxKeyBytes));
    writer_.Put(std::move(key), std::move(converted.value));
    if (writer_.count() % 1000 == 0) LogCount();
  }

  bool enough_errors() const { return errors_.size() >= kMaxErrors; }

  void Finish() {
    if (!errors_.empty()) {
      Fail(errors_.size(), enough_errors() ? " or more" : "",
           " of the images cannot be used: ", Join(errors_, "; "),
           "; remove or replace them and start again");
    }
    if (sizes_differ_) {
      LOG(WARNING) << "The images differ in size; to train on them needs crop_size. Use "
                      "--resize_height and --resize_width to make them equal.";
    }
    writer_.Finish();
    if (writer_.count() % 1000 != 0) LogCount();
  }

 private:
  void LogCount() const { LOG(INFO) << Concat("Processed ", writer_.count(), " files."); }

  static constexpr size_t kMaxErrors = 10;
  static constexpr size_t kMaxKeyBytes = 511;  // of LMDB; the number alone makes a key unique

  void CheckSize(const Entry& entry, Converted* converted) {
    if (first_size_.channels == 0) first_size_ = converted->size;
    if (converted->size == first_size_) return;
    sizes_differ_ = true;
    if (!options_.check_size) return;
    converted->error =
        Concat(entry.place, "'", entry.path, "' is ", converted->size.ToString(),
               " (channels x height x width), but the first image is ", first_size_.ToString());
  }

  RecordWriter& writer_;
  const ImageOptions& options_;
  ImageSize first_size_;
  bool sizes_differ_ = false;
  std::vector<std::string> errors_;
};

void CheckOptions(const ImageOptions& options) {
  if (options.resize_height < 0 || options.resize_width < 0 ||
      (options.resize_height > 0) != (options.resize_width > 0)) {
    Fail("--resize_height=", options.resize_height, " and --resize_width=", options.resize_width,
         " do not go together; give both, above 0, or neither");
  }
}

void Shuffle(uint64_t seed, std::vector<Entry>* entries) {
  const uint64_t random = MixKeys(seed, StableHash("convert"));
  for (size_t i = entries->size(); i > 1; --i) {
    std::swap((*entries)[i - 1], (*entries)[RandomBelow(random, 0, i, static_cast<uint32_t>(i))]);
  }
}

uint64_t WriteImages(const std::string& root, std::vector<Entry> entries,
                     const ImageOptions& options, RecordWriter* writer) {
  constexpr size_t kAtOnce = 128;  // decoded images in memory
  LOG(INFO) << Concat("A total of ", entries.size(), " images.");
  LoadImageCodecs();  // an error there is no image's
  if (options.shuffle) Shuffle(options.seed, &entries);
  Collector collector(writer, options);
  std::vector<Converted> results(kAtOnce);
  for (size_t first = 0; first < entries.size() && !collector.enough_errors(); first += kAtOnce) {
    const size_t count = std::min(kAtOnce, entries.size() - first);
    RunTasks(count,
             [&](size_t i) { results[i] = ConvertEntry(root, entries[first + i], options); });
    for (size_t i = 0; i < count && !collector.enough_errors(); ++i) {
      collector.Add(first + i, entries[first + i], std::move(results[i]));
    }
  }
  collector.Finish();
  return writer->count();
}

std::string WithSlash(const std::string& folder) {
  return folder.empty() || folder.back() == '/' ? folder : folder + "/";
}

std::vector<Entry> ReadList(const std::string& list_file) {
  std::ifstream file(list_file);
  if (!file || fs::is_directory(list_file)) Fail(list_file, ": this list of images cannot be read");
  std::vector<Entry> entries;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (line.empty()) continue;
    const std::string place = Concat(list_file, ":", number, ": ");
    const size_t space = line.find_last_of(" \t");
    const std::string label_text = line.substr(space + 1);
    int label = 0;
    const char* end = label_text.data() + label_text.size();
    const auto parsed = std::from_chars(label_text.data(), end, label);
    if (space == std::string::npos || parsed.ec != std::errc() || parsed.ptr != end) {
      Fail(place, "'", line,
           "' does not end with a label; each line must be an image's path, a "
           "space, and a whole number");
    }
    const size_t path_end = line.find_last_not_of(" \t", space);
    if (path_end == std::string::npos) Fail(place, "there is a label but no path");
    entries.push_back({line.substr(0, path_end + 1), label, place});
  }
  if (entries.empty()) Fail(list_file, ": lists no images");
  return entries;
}

bool IsImageName(const fs::path& path) {
  static const std::vector<std::string> types = {"jpg", "png", "bmp",  "ppm", "pgm",
                                                 "pbm", "tif", "tiff", "webp"};
  const std::string name = path.filename().string();
  return name[0] != '.' && std::find(types.begin(), types.end(), ImageType(name)) != types.end();
}

// The names in a folder that `wanted` likes, sorted.
template <class Wanted>
std::vector<std::string> ListNames(const fs::path& folder, const Wanted& wanted) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (wanted(*it)) names.push_back(it->path().filename().string());
  }
  if (error) Fail("the folder '", folder.string(), "' cannot be read: ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

uint64_t ConvertImageSet(const std::string& root, const std::string& list_file,
                         const std::string& database, Backend backend,
                         const ImageOptions& options) {
  CheckOptions(options);
  std::vector<Entry> entries = ReadList(list_file);
  RecordWriter writer(backend, database);
  return WriteImages(WithSlash(root), std::move(entries), options, &writer);
}

uint64_t ConvertFolder(const std::string& folder, const std::string& database, Backend backend,
                       const ImageOptions& options) {
  CheckOptions(options);
  const std::vector<std::string> classes = ListNames(folder, [](const fs::directory_entry& entry) {
    return entry.is_directory() && entry.path().filename().string()[0] != '.';
  });
  if (classes.empty()) Fail("the folder '", folder, "' holds no folder; it needs one a class");
  std::vector<Entry> entries;
  std::string class_list;
  for (size_t label = 0; label < classes.size(); ++label) {
    class_list += classes[label] + "\n";
    const fs::path class_folder = fs::path(folder) / classes[label];
    const std::vector<std::string> images =
        ListNames(class_folder, [](const fs::directory_entry& entry) {
          return !entry.is_directory() && IsImageName(entry.path());
        });
    if (images.empty()) Fail("the folder '", class_folder.string(), "' holds no image");
    for (const std::string& image : images) {
      entries.push_back({classes[label] + "/" + image, static_cast<int>(label), ""});
    }
  }
  RecordWriter writer(backend, database);
  WriteFileAtomically(writer.folder() + "/classes.txt", class_list);
  return WriteImages(WithSlash(folder), std::move(entries), options, &writer);
}

}  // namespace crema
