#include <zlib.h>

#include "data/convert.h"
#include "data/databases.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

std::string BigEndian(uint32_t number) {
  std::string bytes;
  for (int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(number >> shift & 255));
  return bytes;
}

std::string Header(const std::vector<uint32_t>& numbers) {
  std::string bytes;
  for (uint32_t number : numbers) bytes += BigEndian(number);
  return bytes;
}

// Byte i of the pixels is 5 * i mod 256; label i is i mod 10.
std::string Images(uint32_t count, uint32_t rows, uint32_t columns) {
  std::string bytes = Header({2051, count, rows, columns});
  for (uint32_t i = 0; i < count * rows * columns; ++i) bytes.push_back(static_cast<char>(5 * i));
  return bytes;
}
std::string Labels(uint32_t count) {
  std::string bytes = Header({2049, count});
  for (uint32_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(i % 10));
  return bytes;
}

void WriteGzip(const std::string& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
}

class ConvertMnistTest : public BothBackends {
 protected:
  uint64_t Run(const std::string& images, const std::string& labels) {
    WriteAll(temp_ / "images", images);
    WriteAll(temp_ / "labels", labels);
    return ConvertMnist(temp_ / "images", temp_ / "labels", temp_ / "db", backend());
  }

  void Refuses(const std::string& images, const std::string& labels,
               const std::vector<std::string>& parts) {
    ExpectError([&] { Run(images, labels); }, parts);
    EXPECT_FALSE(std::filesystem::exists(temp_ / "db"));
    EXPECT_FALSE(std::filesystem::exists(temp_ / "db.partial"));
  }
};
CREMA_ON_BOTH_BACKENDS(ConvertMnistTest);

TEST_P(ConvertMnistTest, PlainFiles) {
  EXPECT_EQ(Run(Images(12, 3, 4), Labels(12)), 12u);
  const auto records = ReadDatabase(backend(), temp_ / "db");
  ASSERT_EQ(records.size(), 12u);
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(records[i].first, TestKey(i));
    proto::Datum datum;
    ASSERT_TRUE(datum.ParseFromString(records[i].second));
    EXPECT_EQ(datum.channels(), 1);
    EXPECT_EQ(datum.height(), 3);
    EXPECT_EQ(datum.width(), 4);
    EXPECT_EQ(datum.label(), i % 10);
    EXPECT_FALSE(datum.encoded());
    EXPECT_EQ(datum.data(), Images(12, 3, 4).substr(16 + 12 * i, 12));
  }
}

TEST_P(ConvertMnistTest, CompressedFiles) {
  WriteGzip(temp_ / "images.gz", Images(30, 9, 9));
  WriteGzip(temp_ / "labels.gz", Labels(30));
  ConvertMnist(temp_ / "images.gz", temp_ / "labels.gz", temp_ / "gz", backend());
  Run(Images(30, 9, 9), Labels(30));
  EXPECT_EQ(ReadDatabase(backend(), temp_ / "gz"), ReadDatabase(backend(), temp_ / "db"));

  const std::string whole = ReadAll(temp_ / "images.gz");
  WriteAll(temp_ / "cut.gz", whole.substr(0, whole.size() / 2));
  ExpectError(
      [&] { ConvertMnist(temp_ / "cut.gz", temp_ / "labels.gz", temp_ / "none", backend()); },
      {"cut.gz", "truncated"});
}

// Image i is known by its first pixel, 60 * i mod 256, and its label is i mod 10.
TEST_P(ConvertMnistTest, Pairs) {
  WriteAll(temp_ / "images", Images(60, 3, 4));
  WriteAll(temp_ / "labels", Labels(60));
  ConvertMnistPairs(temp_ / "images", temp_ / "labels", temp_ / "pairs", backend(), 1);
  ConvertMnistPairs(temp_ / "images", temp_ / "labels", temp_ / "other", backend(), 2);
  const auto records = ReadDatabase(backend(), temp_ / "pairs");
  ASSERT_EQ(records.size(), 60u);
  EXPECT_NE(records, ReadDatabase(backend(), temp_ / "other"));
  const std::string pixels = Images(60, 3, 4).substr(16);
  int similar = 0;
  for (const auto& record : records) {
    proto::Datum datum;
    ASSERT_TRUE(datum.ParseFromString(record.second));
    EXPECT_EQ(datum.channels(), 2);
    ASSERT_EQ(datum.data().size(), 24u);
    int digit[2];
    for (int side : {0, 1}) {
      int found = -1;
      for (int i = 0; i < 60; ++i) {
        if (pixels.substr(12 * i, 12) == datum.data().substr(12 * side, 12)) found = i;
      }
      ASSERT_GE(found, 0);
      digit[side] = found % 10;
    }
    EXPECT_EQ(datum.label(), digit[0] == digit[1]);
    similar += datum.label();
  }
  EXPECT_GT(similar, 0);
  EXPECT_LT(similar, 30);
}

TEST_P(ConvertMnistTest, RefusesBadFiles) {
  const std::string images = Images(12, 3, 4), labels = Labels(12);
  Refuses(labels, images, {"images", "starts with 2049", "2051", "images first"});
  Refuses(Header({7, 1, 1, 1}) + "x", labels, {"images: is not an IDX file", "2051"});
  Refuses(images, Header({2050, 12}), {"labels: is not an IDX file", "2049"});
  Refuses("", labels, {"images", "truncated"});
  Refuses(images.substr(0, 9), labels, {"images", "truncated"});
  Refuses(images, Labels(11), {"12 images", "11 labels"});
  Refuses(images.substr(0, images.size() - 1), labels, {"images", "12 items of 12", "160", "159"});
  Refuses(images + "x", labels, {"images", "161"});
  Refuses(images, labels + "x", {"labels", "21"});
  Refuses(Header({2051, 0, 3, 4}), Header({2049, 0}), {"contains no images"});
  Refuses(Header({2051, 0, 16384, 16384}), Header({2049, 0}), {"contains no images"});
  ExpectError([&] { ConvertMnist(temp_ / "none", temp_ / "labels", temp_ / "db", backend()); },
              {"none", "No such file"});
}

// Headers that would ask for terabytes, or for products that do not fit.
TEST_P(ConvertMnistTest, RefusesHostileHeaders) {
  const uint32_t most = 0xFFFFFFFF;
  const std::string labels = Header({2049, most});
  Refuses(Header({2051, most, most, most}), labels, {"4294967295 rows"});
  Refuses(Header({2051, most, 28, 28}) + "x", labels, {"4294967295 items", "the file has 17;"});
  Refuses(Header({2051, 1, 0, 28}), Labels(1), {"0 rows"});
  Refuses(Header({2051, 1, 16384, 16384}), Labels(1), {"268435456"});
  WriteGzip(temp_ / "big.gz", Header({2051, most, 10000, 10000}) + std::string(1000, 'x'));
  WriteGzip(temp_ / "labels.gz", labels);
  ExpectError([&] { ConvertMnist(temp_ / "big.gz", temp_ / "labels.gz", temp_ / "db", backend()); },
              {"big.gz", "compressed"});
}

}  // namespace
}  // namespace crema::test
