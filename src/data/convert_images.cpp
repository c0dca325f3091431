// Databases from image files.
#include <glog/logging.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <new>
#include <opencv2/core.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "base/processors.h"
#include "base/strings.h"
#include "crema/dev/philox.h"
#include "crema/error.h"
#include "data/convert.h"
#include "data/flaw_log.h"
#include "data/image_codecs.h"
#include "data/image_record.h"
#include "data/label_summary.h"
#include "data/list_file.h"
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
  ImageRecord record;
  std::string error;  // empty: none
};

Converted ConvertEntry(const std::string& root, const Entry& entry,
                       const ConvertImageOptions& options) {
  const std::string path = root + entry.path;
  Converted result;
  bool names_file = false;
  try {
    result.record = MakeImageRecord(path, entry.label, options);
  } catch (const Error& error) {
    result.error = error.what();
    names_file = error.file() == path;
  } catch (const cv::Exception& exception) {
    result.error = exception.err;
  } catch (const std::bad_alloc&) {
    result.error = "needs more memory than is available";
  } catch (const std::exception& exception) {  // of a library, such as that it has no threads
    result.error = exception.what();
  }
  if (result.error.empty()) return result;
  result.error = entry.place + (names_file ? "" : "'" + path + "' ") + result.error;
  return result;
}

size_t Cores() { return static_cast<size_t>(AvailableProcessors()); }

// Runs task(0) .. task(count - 1), which must not throw, on all cores; on fewer if the system does
// not allow so many threads.
template <class Task>
void RunTasks(size_t count, const Task& task) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) task(i);
  };
  std::vector<std::thread> threads;
  threads.reserve(count);
  try {
    for (size_t i = 1; i < std::min(Cores(), count); ++i) threads.emplace_back(work);
  } catch (const std::exception&) {  // no threads, or no memory for one
  }
  work();
  for (std::thread& thread : threads) thread.join();
}

// Takes the converted images in order, and tells what is wrong with them.
class Collector {
 public:
  Collector(RecordWriter* writer, const ConvertImageOptions& options)
      : writer_(*writer), options_(options) {}

  void Add(uint64_t index, const Entry& entry, Converted converted) {
    if (converted.error.empty()) CheckSize(entry, &converted);
    if (!converted.error.empty()) return LeaveOut(std::move(converted.error));
    flaws_.Add(converted.record.flaw, [&] { return entry.place + "'" + entry.path + "'"; });
    char number[24];
    std::snprintf(number, sizeof number, "%08llu", static_cast<unsigned long long>(index));
    std::string key = Concat(number, "_", entry.path);
    key.resize(std::min(key.size(), kMaxKeyBytes));
    writer_.Put(std::move(key), std::move(converted.record.value));
    labels_.Add(entry.label);
    if (writer_.count() % 1000 == 0) LogCount();
  }

  void Finish() {
    if (writer_.count() == 0) {
      if (left_out_ == 1) Fail("the only image cannot be used: ", reasons_[0]);
      Fail("none of the ", left_out_, " images can be used; the first: ", reasons_[0]);
    }
    writer_.Finish();
    if (writer_.count() % 1000 != 0) LogCount();
    LOG(INFO) << labels_.Describe() << ".";
    if (sizes_differ_) {
      LOG(WARNING) << "The images differ in size, so training needs crop_size. Use "
                      "--resize_height and --resize_width to make them equal.";
    }
    if (flaws_.count() > 0) {
      LOG(WARNING) << Concat(
          flaws_.count(),
          " of the stored images are truncated or damaged; see the warnings above.");
    }
    ListWhatIsLeftOut();
  }

 private:
  void LogCount() const { LOG(INFO) << Concat("Processed ", writer_.count(), " files."); }

  static constexpr size_t kMostReasons = 20;
  static constexpr size_t kMaxKeyBytes = 511;  // of LMDB; the number alone makes a key unique

  void CheckSize(const Entry& entry, Converted* converted) {
    const ImageSize& size = converted->record.size;
    if (first_size_.channels == 0) first_size_ = size;
    if (size == first_size_) return;
    if (!options_.check_size) {
      sizes_differ_ = true;
      return;
    }
    converted->error =
        Concat(entry.place, "'", entry.path, "' is ", size.ToString(),
               " (channels x height x width), but the first image is ", first_size_.ToString());
  }

  void LeaveOut(std::string reason) {
    if (!options_.skip_bad) {
      Fail(reason, "; repair or remove this image, or skip all bad images with --skip_bad");
    }
    ++left_out_;
    if (reasons_.size() < kMostReasons) reasons_.push_back(std::move(reason));
  }

  void ListWhatIsLeftOut() const {
    if (left_out_ == 0) return;
    LOG(WARNING) << "Skipped " << left_out_ << " of " << left_out_ + writer_.count()
                 << " images because " << (left_out_ == 1 ? "it" : "they") << " cannot be used:";
    for (const std::string& reason : reasons_) LOG(WARNING) << "    " << reason;
    if (left_out_ > reasons_.size()) {
      LOG(WARNING) << "    and " << left_out_ - reasons_.size() << " more";
    }
  }

  RecordWriter& writer_;
  const ConvertImageOptions& options_;
  ImageSize first_size_;
  bool sizes_differ_ = false;
  FlawLog flaws_;
  LabelSummary labels_;
  uint64_t left_out_ = 0;
  std::vector<std::string> reasons_;  // the first ones
};

void CheckOptions(const ConvertImageOptions& options) {
  if (options.resize_height < 0 || options.resize_width < 0 ||
      (options.resize_height > 0) != (options.resize_width > 0)) {
    Fail("--resize_height=", options.resize_height, " and --resize_width=", options.resize_width,
         ": set both to at least 1, or neither");
  }
  if (options.rgb && options.gray) {
    Fail("--rgb and --gray cannot be combined; use only one of them");
  }
  if (options.rgb && options.encodes()) {
    Fail(
        "--rgb cannot be combined with --encoded or --encode_type: compressed images are always "
        "decoded to blue, green, red");
  }
}

void LogChannelOrder(const ConvertImageOptions& options) {
  if (options.gray || options.encodes()) return;
  LOG(INFO) << "Channels are stored in the order "
            << (options.rgb ? "red, green, blue."
                            : "blue, green, red, as Caffe's convert_imageset does; --rgb stores "
                              "red, green, blue.");
}

void Shuffle(uint64_t seed, std::vector<Entry>* entries) {
  const uint64_t random = MixKeys(seed, StableHash("convert"));
  for (size_t i = entries->size(); i > 1; --i) {
    std::swap((*entries)[i - 1], (*entries)[RandomBelow(random, 0, i, static_cast<uint32_t>(i))]);
  }
}

uint64_t WriteImages(const std::string& root, std::vector<Entry> entries,
                     const ConvertImageOptions& options, const StopRequest& stop,
                     RecordWriter* writer) {
  // Decoded images in memory; few enough that a request to stop is soon seen.
  const size_t at_once = std::clamp(8 * Cores(), size_t{16}, size_t{128});
  LOG(INFO) << Concat("A total of ", entries.size(), " images.");
  LogChannelOrder(options);
  LoadImageCodecs();  // an error there is no image's
  if (options.shuffle) Shuffle(options.seed, &entries);
  Collector collector(writer, options);
  std::vector<Converted> results(at_once);
  for (size_t first = 0; first < entries.size(); first += at_once) {
    StopIfAsked(stop, first, entries.size());
    const size_t count = std::min(at_once, entries.size() - first);
    RunTasks(count,
             [&](size_t i) { results[i] = ConvertEntry(root, entries[first + i], options); });
    for (size_t i = 0; i < count; ++i) {
      collector.Add(first + i, entries[first + i], std::move(results[i]));
    }
  }
  collector.Finish();
  return writer->count();
}

std::string WithSlash(const std::string& folder) {
  return folder.empty() || folder.back() == '/' ? folder : folder + "/";
}

std::vector<Entry> ReadEntries(const std::string& list) {
  std::vector<Entry> entries;
  for (ListedImage& image : ReadImageList(list, "")) {
    entries.push_back({std::move(image.path), image.label, NameLine("", list, image.line)});
  }
  return entries;
}

// With a wrong root no image is there, which is no matter of bad images.
void CheckRoot(const std::string& root, const std::string& list,
               const std::vector<Entry>& entries) {
  const auto is_missing = [](const std::string& path) {
    std::error_code ignored;
    return fs::status(path, ignored).type() == fs::file_type::not_found;
  };
  const bool all = std::all_of(entries.begin(), entries.end(),
                               [&](const Entry& entry) { return is_missing(root + entry.path); });
  if (!all) return;
  const std::string& first = entries[0].path;
  const bool is_whole = first[0] == '/' && !is_missing(first);
  Fail(InFile(list), ": none of its images is there; the first was looked for as '", root + first,
       "', which is ROOT and its path in the list; ",
       is_whole ? "the paths are complete, so use / as ROOT" : "correct ROOT or the list");
}

bool IsImageName(const fs::path& path) {
  static const std::vector<std::string> types = {"jpg", "png", "bmp", "ppm",
                                                 "pgm", "pbm", "tif", "webp"};
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
                         const ConvertImageOptions& options, const StopRequest& stop) {
  CheckOptions(options);
  std::vector<Entry> entries = ReadEntries(list_file);
  CheckRoot(WithSlash(root), list_file, entries);
  RecordWriter writer(backend, database);
  return WriteImages(WithSlash(root), std::move(entries), options, stop, &writer);
}

uint64_t ConvertFolder(const std::string& folder, const std::string& database, Backend backend,
                       const ConvertImageOptions& options, const StopRequest& stop) {
  CheckOptions(options);
  const std::vector<std::string> classes = ListNames(folder, [](const fs::directory_entry& entry) {
    return entry.is_directory() && entry.path().filename().string()[0] != '.';
  });
  if (classes.empty()) Fail("the folder '", folder, "' has no subfolders; it needs one per class");
  std::vector<Entry> entries;
  std::string class_list;
  for (size_t label = 0; label < classes.size(); ++label) {
    class_list += classes[label] + "\n";
    const fs::path class_folder = fs::path(folder) / classes[label];
    const std::vector<std::string> images =
        ListNames(class_folder, [](const fs::directory_entry& entry) {
          return !entry.is_directory() && IsImageName(entry.path());
        });
    if (images.empty()) Fail("the folder '", class_folder.string(), "' contains no images");
    for (const std::string& image : images) {
      entries.push_back({classes[label] + "/" + image, static_cast<int>(label), ""});
    }
  }
  RecordWriter writer(backend, database);
  WriteFileAtomically(writer.folder() + "/classes.txt", class_list);
  return WriteImages(WithSlash(folder), std::move(entries), options, stop, &writer);
}

}  // namespace crema
