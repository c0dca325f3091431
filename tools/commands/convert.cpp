// crema convert: makes databases from published data sets and from images.
#include "data/convert.h"

#include <gflags/gflags.h>

#include <algorithm>
#include <csignal>
#include <optional>

#include "base/strings.h"
#include "commands/command.h"
#include "crema/error.h"
#include "output.h"
#include "progress.h"
#include "train/signals.h"
#include "wrap.h"

DEFINE_string(backend, "lmdb", "The kind of database: lmdb or leveldb");
DEFINE_int32(resize_height, 0, "Resize images to this height; needs --resize_width");
DEFINE_int32(resize_width, 0, "Resize images to this width; needs --resize_height");
DEFINE_bool(gray, false, "Store images in grey, with one channel instead of three");
DEFINE_bool(encoded, false, "Store compressed images, which are decoded during training");
DEFINE_string(encode_type, "", "Store compressed images of this type, such as jpg or png");
DEFINE_bool(rgb, false, "Store channels as red, green, blue instead of blue, green, red");
DEFINE_bool(check_size, false, "Treat an image that differs in size from the first one as bad");
DEFINE_bool(skip_bad, false, "Skip images that cannot be used, and list them at the end");
DEFINE_bool(shuffle, false,
            "Store images in random order; folder does so unless --shuffle=false is given");
DEFINE_uint64(shuffle_seed, 0, "The seed of the random order and of the pairs");

namespace crema {
namespace {

struct Source {
  const char* name;
  const char* arguments;
  size_t count;  // of arguments
  void (*run)(const std::vector<std::string>& arguments, Backend backend, const StopRequest& stop);
  std::vector<std::string> flags;  // besides --backend
  const char* summary;             // sentences
  std::string details;             // paragraphs that its own help adds
};

constexpr char kAboutOutput[] =
    "OUT_DB must not exist yet. It is created as OUT_DB.partial and renamed when it is complete. "
    "OUT_DB.partial is removed if the conversion fails or is stopped by Ctrl-C or SIGTERM. One "
    "that `crema convert` did not make is an error.";

constexpr char kAboutImages[] =
    "Images may be JPEG, PNG, BMP, TIFF, WebP, PBM, PGM, PPM or Sun raster files. An image that "
    "cannot be used ends the conversion, unless --skip_bad is given.\n\n"
    "--encoded stores a file unchanged if decoding it gives the requested channels and size; other "
    "images are compressed again. A truncated JPEG is stored with a warning, and with grey for the "
    "missing part.";

ConvertImageOptions OptionsFromFlags() {
  ConvertImageOptions options;
  options.resize_height = FLAGS_resize_height;
  options.resize_width = FLAGS_resize_width;
  options.gray = FLAGS_gray;
  options.encoded = FLAGS_encoded;
  options.encode_type = FLAGS_encode_type;
  options.rgb = FLAGS_rgb;
  options.skip_bad = FLAGS_skip_bad;
  options.check_size = FLAGS_check_size;
  options.shuffle = FLAGS_shuffle;
  options.seed = FLAGS_shuffle_seed;
  return options;
}

void RunImageSet(const std::vector<std::string>& arguments, Backend backend,
                 const StopRequest& stop) {
  ConvertImageSet(arguments[0], arguments[1], arguments[2], backend, OptionsFromFlags(), stop);
}

// Without a shuffle all of class 0 would come first, and no net learns from that.
void RunFolder(const std::vector<std::string>& arguments, Backend backend,
               const StopRequest& stop) {
  ConvertImageOptions options = OptionsFromFlags();
  if (gflags::GetCommandLineFlagInfoOrDie("shuffle").is_default) options.shuffle = true;
  ConvertFolder(arguments[0], arguments[1], backend, options, stop);
}

void RunMnist(const std::vector<std::string>& arguments, Backend backend, const StopRequest& stop) {
  ConvertMnist(arguments[0], arguments[1], arguments[2], backend, stop);
}

void RunMnistPairs(const std::vector<std::string>& arguments, Backend backend,
                   const StopRequest& stop) {
  ConvertMnistPairs(arguments[0], arguments[1], arguments[2], backend, FLAGS_shuffle_seed, stop);
}

void RunCifar10(const std::vector<std::string>& arguments, Backend backend,
                const StopRequest& stop) {
  ConvertCifar10(arguments[0], arguments[1], backend, 10000, stop);
}

const std::vector<Source>& Sources() {
  static const std::vector<std::string> of_images = {
      "resize_height", "resize_width", "gray",     "rgb",     "encoded",
      "encode_type",   "check_size",   "skip_bad", "shuffle", "shuffle_seed"};
  static const std::string about_both = Concat(kAboutOutput, "\n\n", kAboutImages);
  static const std::vector<Source> sources = {
      {"mnist",
       "IMAGES LABELS OUT_DB",
       3,
       RunMnist,
       {},
       "MNIST's IDX files, plain or .gz.",
       kAboutOutput},
      {"mnist_pairs",
       "IMAGES LABELS OUT_DB",
       3,
       RunMnistPairs,
       {"shuffle_seed"},
       "Pairs of MNIST's images, drawn at random (see --shuffle_seed), as the two channels of a "
       "record. The label is 1 if both show the same digit, otherwise 0.",
       kAboutOutput},
      {"cifar10",
       "FOLDER OUT_FOLDER",
       2,
       RunCifar10,
       {},
       "The binary version of CIFAR-10. FOLDER contains data_batch_1.bin to data_batch_5.bin and "
       "test_batch.bin; cifar10_train_BACKEND and cifar10_test_BACKEND are created in OUT_FOLDER. "
       "Channels are stored in the order red, green, blue, as by Caffe's converter; `crema convert "
       "folder --rgb` makes the same from a folder of images.",
       "The databases must not exist yet. Each is created with .partial behind its name and "
       "renamed "
       "when it is complete."},
      {"imageset", "ROOT LISTFILE OUT_DB", 3, RunImageSet, of_images,
       "Each line of LISTFILE is the path of an image below ROOT, a space, and a label (an "
       "integer). Paths may have spaces. Channels are stored in the order blue, green, red, as by "
       "Caffe's convert_imageset.",
       about_both},
      {"folder", "FOLDER OUT_DB", 2, RunFolder, of_images,
       "FOLDER contains one folder of images per class. Classes are numbered from 0 in the order "
       "of "
       "their names, which are written to OUT_DB/classes.txt.",
       about_both},
  };
  return sources;
}

void CheckFlags(const Source& source) {
  for (const std::string& name : ConvertFlags()) {
    const bool known = name == "backend" || std::find(source.flags.begin(), source.flags.end(),
                                                      name) != source.flags.end();
    if (known || gflags::GetCommandLineFlagInfoOrDie(name.c_str()).is_default) continue;
    std::vector<std::string> takers;
    for (const Source& other : Sources()) {
      const auto& flags = other.flags;
      if (std::find(flags.begin(), flags.end(), name) != flags.end()) takers.push_back(other.name);
    }
    throw UsageError(Concat("crema convert ", source.name, " has no option --", name, "; only ",
                            Join(takers, " and "), takers.size() == 1 ? " has it" : " have it"));
  }
}

// nohup and shells that start a program in the background have it ignore signals.
Action EffectOf(int signal) {
  struct sigaction now = {};
  sigaction(signal, nullptr, &now);
  return now.sa_handler == SIG_IGN ? Action::kNone : Action::kStop;
}

// A source may make several databases, one after another.
class ConversionProgress {
 public:
  void Show(uint64_t done, uint64_t all) {
    if (!progress_ || all != all_) progress_.emplace("converting", "images", all);
    all_ = all;
    progress_->Set(done);
  }

 private:
  std::optional<Progress> progress_;
  uint64_t all_ = 0;
};

const Source& FindSource(const std::vector<std::string>& arguments) {
  for (const Source& source : Sources()) {
    if (!arguments.empty() && arguments[0] == source.name) return source;
  }
  std::vector<std::string> names;
  for (const Source& source : Sources()) names.push_back(source.name);
  const std::string known = "one of " + Join(names);
  if (arguments.empty()) throw UsageError("crema convert needs a source, " + known);
  const std::string near = Nearest(arguments[0], names);
  throw UsageError("unknown source '" + arguments[0] + "'; it must be " + known +
                   (near.empty() ? "" : "; did you mean '" + near + "'?"));
}

}  // namespace

const char* ConvertDetails() {
  static const std::string text = [] {
    constexpr size_t kIndent = 4, kWidth = 80;
    std::string all;
    for (const Source& source : Sources()) {
      all += Concat("crema convert ", source.name, " ", source.arguments, "\n",
                    Wrap(source.summary, kIndent, kWidth));
    }
    return Concat(
        all, "\n", kAboutOutput, "\n\n", kAboutImages,
        "\n\nOptions other than --backend apply to imageset and folder; --shuffle_seed "
        "also applies to mnist_pairs. `crema convert SOURCE --help` explains one source.");
  }();
  return text.c_str();
}

std::vector<CommandForm> ConvertForms() {
  std::vector<CommandForm> forms;
  for (const Source& source : Sources()) {
    forms.push_back({source.name, source.arguments, source.summary, source.details, {"backend"}});
    std::vector<std::string>& flags = forms.back().flags;
    flags.insert(flags.end(), source.flags.begin(), source.flags.end());
  }
  return forms;
}

std::vector<std::string> ConvertFlags() {
  return {"backend",     "resize_height", "resize_width", "gray",    "rgb",         "encoded",
          "encode_type", "check_size",    "skip_bad",     "shuffle", "shuffle_seed"};
}

int RunConvert(const std::vector<std::string>& arguments) {
  const Source& source = FindSource(arguments);
  if (arguments.size() != source.count + 1) {
    const size_t given = arguments.size() - 1;
    throw UsageError(Concat("crema convert ", source.name, " takes ", source.arguments,
                            ", but got ", given, given == 1 ? " argument" : " arguments"));
  }
  CheckFlags(source);
  SignalWatcher signals(EffectOf(SIGINT), EffectOf(SIGHUP), EffectOf(SIGTERM));
  try {
    ConversionProgress progress;
    source.run({arguments.begin() + 1, arguments.end()}, ParseBackend(FLAGS_backend),
               [&](uint64_t done, uint64_t all) {
                 progress.Show(done, all);
                 return signals.Poll() == Action::kStop;
               });
  } catch (const Error& error) {
    if (signals.stopped_by() == 0) throw;
    PrintError(error.what());
    return 128 + signals.stopped_by();
  }
  return 0;
}

}  // namespace crema
