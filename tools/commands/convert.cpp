// crema convert: makes databases from published data sets and from images.
#include "data/convert.h"

#include <gflags/gflags.h>

#include "base/strings.h"
#include "commands/command.h"
#include "crema/base/error.h"

DEFINE_string(backend, "lmdb", "The kind of database: lmdb or leveldb");
DEFINE_int32(resize_height, 0, "Resize images to this height; needs --resize_width");
DEFINE_int32(resize_width, 0, "Resize images to this width; needs --resize_height");
DEFINE_bool(gray, false, "Store images in grey, with one channel instead of three");
DEFINE_bool(encoded, false, "Store compressed images, which are decoded during training");
DEFINE_string(encode_type, "", "Store compressed images of this type, such as jpg or png");
DEFINE_bool(check_size, false, "Stop if an image differs in size from the first one");
DEFINE_bool(shuffle, false,
            "Store images in random order; folder does so unless --shuffle=false is given");
DEFINE_uint64(shuffle_seed, 0, "The seed of what is random: the order and the pairs");

namespace crema {
namespace {

struct Source {
  const char* name;
  const char* arguments;
  size_t count;  // of arguments
  void (*run)(const std::vector<std::string>& arguments, Backend backend);
};

ImageOptions OptionsFromFlags() {
  ImageOptions options;
  options.resize_height = FLAGS_resize_height;
  options.resize_width = FLAGS_resize_width;
  options.gray = FLAGS_gray;
  options.encoded = FLAGS_encoded;
  options.encode_type = FLAGS_encode_type;
  options.check_size = FLAGS_check_size;
  options.shuffle = FLAGS_shuffle;
  options.seed = FLAGS_shuffle_seed;
  return options;
}

void RunImageSet(const std::vector<std::string>& arguments, Backend backend) {
  ConvertImageSet(arguments[0], arguments[1], arguments[2], backend, OptionsFromFlags());
}

// Without a shuffle all of class 0 would come first, and no net learns from that.
void RunFolder(const std::vector<std::string>& arguments, Backend backend) {
  ImageOptions options = OptionsFromFlags();
  if (gflags::GetCommandLineFlagInfoOrDie("shuffle").is_default) options.shuffle = true;
  ConvertFolder(arguments[0], arguments[1], backend, options);
}

void RunMnist(const std::vector<std::string>& arguments, Backend backend) {
  ConvertMnist(arguments[0], arguments[1], arguments[2], backend);
}

void RunMnistPairs(const std::vector<std::string>& arguments, Backend backend) {
  ConvertMnistPairs(arguments[0], arguments[1], arguments[2], backend, FLAGS_shuffle_seed);
}

void RunCifar10(const std::vector<std::string>& arguments, Backend backend) {
  ConvertCifar10(arguments[0], arguments[1], backend);
}

const std::vector<Source>& Sources() {
  static const std::vector<Source> sources = {
      {"mnist", "IMAGES LABELS OUT_DB", 3, RunMnist},
      {"mnist_pairs", "IMAGES LABELS OUT_DB", 3, RunMnistPairs},
      {"cifar10", "FOLDER OUT_FOLDER", 2, RunCifar10},
      {"imageset", "ROOT LISTFILE OUT_DB", 3, RunImageSet},
      {"folder", "FOLDER OUT_DB", 2, RunFolder},
  };
  return sources;
}

const Source& FindSource(const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  for (const Source& source : Sources()) {
    if (!arguments.empty() && arguments[0] == source.name) return source;
    names.push_back(source.name);
  }
  const std::string known = "one of " + Join(names);
  if (arguments.empty()) throw UsageError("crema convert needs a source, " + known);
  const std::string near = Nearest(arguments[0], names);
  throw UsageError("crema convert does not know the source '" + arguments[0] + "', only " + known +
                   (near.empty() ? "" : "; did you mean '" + near + "'?"));
}

}  // namespace

const char* ConvertDetails() {
  return "crema convert mnist IMAGES LABELS OUT_DB\n"
         "    MNIST's IDX files, plain or .gz.\n"
         "crema convert mnist_pairs IMAGES LABELS OUT_DB\n"
         "    Pairs of MNIST's images, drawn at random (see --shuffle_seed), as the two\n"
         "    channels of a record. The label is 1 if both show the same digit, else 0.\n"
         "crema convert cifar10 FOLDER OUT_FOLDER\n"
         "    The binary version of CIFAR-10. FOLDER holds data_batch_1.bin to\n"
         "    data_batch_5.bin and test_batch.bin; cifar10_train_BACKEND and\n"
         "    cifar10_test_BACKEND are made in OUT_FOLDER.\n"
         "crema convert imageset ROOT LISTFILE OUT_DB\n"
         "    Each line of LISTFILE is the path of an image below ROOT, a space, and a\n"
         "    label (a whole number). Paths may have spaces.\n"
         "crema convert folder FOLDER OUT_DB\n"
         "    FOLDER holds a folder of images for each class. Classes are numbered from 0\n"
         "    in the order of their names, which are written to OUT_DB/classes.txt.\n"
         "\n"
         "OUT_DB must not exist yet. It appears when it is complete; until then it is named "
         "OUT_DB.partial.\n\n"
         "The options are for imageset and folder, except that all sources take --backend and "
         "mnist_pairs takes --shuffle_seed.";
}

std::vector<std::string> ConvertFlags() {
  return {"backend",     "resize_height", "resize_width", "gray",        "encoded",
          "encode_type", "check_size",    "shuffle",      "shuffle_seed"};
}

int RunConvert(const std::vector<std::string>& arguments) {
  const Source& source = FindSource(arguments);
  if (arguments.size() != source.count + 1) {
    const size_t given = arguments.size() - 1;
    throw UsageError(Concat("crema convert ", source.name, " takes ", source.arguments,
                            ", but got ", given, given == 1 ? " argument" : " arguments"));
  }
  source.run({arguments.begin() + 1, arguments.end()}, ParseBackend(FLAGS_backend));
  return 0;
}

}  // namespace crema
