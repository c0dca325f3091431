// The binary version of CIFAR-10 (Krizhevsky): records of a label byte, then 3 x 32 x 32 bytes,
// red, green, blue.
#include <glog/logging.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/files.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "data/convert.h"
#include "data/record_writer.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 32;
constexpr int kImageBytes = 3 * kSide * kSide;
constexpr size_t kRecordBytes = kImageBytes + 1;
constexpr int kClasses = 10;

// Checks all files before anything is written.
void CheckFiles(const std::vector<std::string>& files, int images_per_file) {
  const uint64_t expected = static_cast<uint64_t>(images_per_file) * kRecordBytes;
  for (const std::string& file : files) {
    const std::string why = WhyNotReadable(file);
    if (!why.empty()) {
      Fail(InFile(file), ": ", why,
           "; the folder must contain the binary version of CIFAR-10 (data/cifar10/get_cifar10.sh "
           "downloads it)");
    }
    const uint64_t size = fs::file_size(file);
    if (size != expected) {
      Fail(InFile(file), ": has ", size, " bytes, expected ", expected, " (", images_per_file,
           " images of ", kRecordBytes, " bytes); download it again");
    }
  }
}

// The records go in the order of the files, numbered through.
void WriteDatabase(const std::vector<std::string>& files, const std::string& database,
                   Backend backend, int images_per_file, const StopRequest& stop) {
  RecordWriter writer(backend, database);
  proto::Datum datum;
  datum.set_channels(3);
  datum.set_height(kSide);
  datum.set_width(kSide);
  for (const std::string& path : files) {
    const std::string bytes = ReadFileBytes(path, Accept::kFile);
    if (bytes.size() < images_per_file * kRecordBytes) Fail(InFile(path), ": has become shorter");
    for (int i = 0; i < images_per_file; ++i) {
      StopIfAsked(stop, writer.count(), files.size() * static_cast<uint64_t>(images_per_file));
      const char* const record = bytes.data() + i * kRecordBytes;
      const int label = static_cast<unsigned char>(record[0]);
      if (label >= kClasses) {
        Fail(InFile(path), ": image ", i, " has label ", label,
             ", but CIFAR-10's labels are 0 to 9; this is not a CIFAR-10 file");
      }
      datum.set_label(label);
      datum.set_data(record + 1, kImageBytes);
      char key[16];
      std::snprintf(key, sizeof key, "%05d", static_cast<int>(writer.count()));
      writer.Put(key, datum.SerializeAsString());
    }
    LOG(INFO) << Concat("Processed ", writer.count(), " files.");
  }
  writer.Finish();
}

}  // namespace

void ConvertCifar10(const std::string& folder, const std::string& out_folder, Backend backend,
                    int images_per_file, const StopRequest& stop) {
  fs::path root = folder;
  if (fs::is_directory(root / "cifar-10-batches-bin")) root /= "cifar-10-batches-bin";
  std::vector<std::string> train, test = {(root / "test_batch.bin").string()};
  for (int i = 1; i <= 5; ++i) {
    train.push_back((root / Concat("data_batch_", i, ".bin")).string());
  }
  CheckFiles(train, images_per_file);
  CheckFiles(test, images_per_file);
  std::error_code error;
  fs::create_directories(out_folder, error);
  if (error) Fail("cannot create the folder '", out_folder, "': ", error.message());
  const std::string suffix = backend == Backend::kLmdb ? "lmdb" : "leveldb";
  const fs::path out = out_folder;
  const std::string train_database = (out / ("cifar10_train_" + suffix)).string();
  LOG(INFO) << "Channels are stored in the order of the files: red, green, blue.";
  LOG(INFO) << "Writing Training data";
  WriteDatabase(train, train_database, backend, images_per_file, stop);
  LOG(INFO) << "Writing Testing data";
  try {
    WriteDatabase(test, (out / ("cifar10_test_" + suffix)).string(), backend, images_per_file,
                  stop);
  } catch (const Error& error) {
    Fail(error, "; ", train_database, " is complete and is kept");
  }
}

}  // namespace crema
