#include "data/convert.h"
#include "data/databases.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

namespace fs = std::filesystem;

constexpr int kPerFile = 3;

// Image i of file f: label (f + i) mod 10, byte p is f + 10 * i + p mod 256.
std::string CifarFile(int f) {
  std::string bytes;
  for (int i = 0; i < kPerFile; ++i) {
    bytes.push_back(static_cast<char>((f + i) % 10));
    for (int p = 0; p < 3072; ++p) bytes.push_back(static_cast<char>(f + 10 * i + p));
  }
  return bytes;
}

class ConvertCifar10Test : public BothBackends {
 protected:
  void WriteFiles(const std::string& folder) {
    for (int f = 1; f <= 5; ++f) {
      WriteAll(folder + "/data_batch_" + std::to_string(f) + ".bin", CifarFile(f));
    }
    WriteAll(folder + "/test_batch.bin", CifarFile(8));
  }
  std::string Database(const std::string& set) const {
    return temp_ / ("out/cifar10_" + set + (backend() == Backend::kLmdb ? "_lmdb" : "_leveldb"));
  }
};
CREMA_ON_BOTH_BACKENDS(ConvertCifar10Test);

TEST_P(ConvertCifar10Test, MakesBothSets) {
  WriteFiles(temp_ / "in");
  ConvertCifar10(temp_ / "in", temp_ / "out", backend(), kPerFile);
  const auto train = ReadDatabase(backend(), Database("train"));
  ASSERT_EQ(train.size(), 15u);
  for (int n = 0; n < 15; ++n) {
    const int f = n / kPerFile + 1, i = n % kPerFile;
    EXPECT_EQ(train[n].first, TestKey(n).substr(3));  // five digits
    proto::Datum datum;
    ASSERT_TRUE(datum.ParseFromString(train[n].second));
    EXPECT_EQ(datum.label(), (f + i) % 10);
    EXPECT_EQ(datum.channels(), 3);
    EXPECT_EQ(datum.height(), 32);
    EXPECT_EQ(datum.width(), 32);
    EXPECT_EQ(datum.data(), CifarFile(f).substr(i * 3073 + 1, 3072));
  }
  const auto test = ReadDatums(backend(), Database("test"));
  ASSERT_EQ(test.size(), 3u);
  EXPECT_EQ(test[2].label(), 0);
}

TEST_P(ConvertCifar10Test, FindsTheArchivesFolder) {
  WriteFiles(temp_ / "in/cifar-10-batches-bin");
  ConvertCifar10(temp_ / "in", temp_ / "out", backend(), kPerFile);
  EXPECT_EQ(ReadDatums(backend(), Database("train")).size(), 15u);
}

TEST_P(ConvertCifar10Test, RefusesBadFilesBeforeItWrites) {
  const auto run = [&] { ConvertCifar10(temp_ / "in", temp_ / "out", backend(), kPerFile); };
  ExpectError(run, {"data_batch_1.bin", "binary"});
  WriteFiles(temp_ / "in");
  WriteAll(temp_ / "in/test_batch.bin", CifarFile(8).substr(1));
  ExpectError(run, {"test_batch.bin", "9218", "9219"});
  EXPECT_FALSE(fs::exists(temp_ / "out"));
  std::string bytes = CifarFile(8);
  bytes[3073] = 10;
  WriteAll(temp_ / "in/test_batch.bin", bytes);
  ExpectError(run, {"test_batch.bin: image 1 has label 10"});
  EXPECT_FALSE(fs::exists(Database("test")));
}

}  // namespace
}  // namespace crema::test
