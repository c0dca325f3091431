#include "data/data_file.h"

#include "data/databases.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class DataFileTest : public testing::Test {
 protected:
  DataFileTest() {
    for (int i = 0; i < 1000000; ++i) bytes_ += static_cast<char>(i * 7 + i / 256);
    WriteAll(temp_ / "data", bytes_);
  }
  TempFolder temp_;
  std::string bytes_;
};

TEST_F(DataFileTest, AWindowGivesWhatTheFileHolds) {
  const DataFile file(temp_ / "data", "set");
  EXPECT_EQ(file.size(), bytes_.size());
  FileWindow window(&file);
  uint64_t offset = 0;
  for (const size_t count : {10, 5000, 0, 70000, 300000, 1, 100000, 300000, 4096}) {
    EXPECT_EQ(std::string(window.Get(offset, count), count), bytes_.substr(offset, count));
    offset += count;
  }
  for (const uint64_t place : {999999, 0, 500000, 499990, 999990, 3}) {
    EXPECT_EQ(*window.Get(place, 1), bytes_[place]);
  }
}

TEST_F(DataFileTest, ForwardMeansFewReads) {
  const DataFile file(temp_ / "data", "set");
  FileWindow window(&file);
  for (uint64_t at = 0; at + 100 <= bytes_.size(); at += 100) window.Get(at, 100);
  EXPECT_LE(window.reads(), 5u);
}

TEST_F(DataFileTest, BeyondTheEndIsAnError) {
  const DataFile file(temp_ / "data", "set");
  FileWindow window(&file);
  // Before memory is taken.
  ExpectError([&] { window.Get(10, size_t{1} << 60); },
              {"set", "data is damaged", "1000000 bytes"});
  ExpectError([&] { window.Get(~uint64_t{0}, 2); }, {"data is damaged"});
  ExpectError([&] { window.Get(999999, 2); }, {"data is damaged"});
  EXPECT_EQ(*window.Get(999999, 1), bytes_.back());
  std::filesystem::resize_file(temp_ / "data", 100);
  ExpectError([&] { window.Get(200, 10); }, {"set", "data has shrunk", "of 1000000 bytes"});
}

TEST_F(DataFileTest, ReadsInTwo) {
  const DataFile file(temp_ / "data", "set");
  char header[16];
  for (const size_t count : {size_t{0}, size_t{1}, size_t{70000}, bytes_.size() - 500 - 16}) {
    std::string rest(count, '?');
    file.ReadInTwo(500, sizeof header, header, count, rest.data());
    EXPECT_EQ(std::string(header, sizeof header), bytes_.substr(500, sizeof header));
    EXPECT_EQ(rest, bytes_.substr(516, count));
  }
  std::string rest(1000, '?');
  const auto read = [&](uint64_t at) {
    file.ReadInTwo(at, sizeof header, header, rest.size(), rest.data());
  };
  ExpectError([&] { read(bytes_.size() - 1015); }, {"data is damaged", "1000000 bytes"});
  std::filesystem::resize_file(temp_ / "data", 600);
  ExpectError([&] { read(500); }, {"data has shrunk to 600 of 1000000 bytes"});
  ExpectError([&] { read(595); }, {"data has shrunk to 600 of 1000000 bytes"});
}

TEST_F(DataFileTest, AStampTellsThatAFileWasTouched) {
  OpenFiles files;
  const DataFile kept_open(temp_ / "data", "set"), file(temp_ / "data", "set", &files);
  for (const DataFile* each : {&kept_open, &file}) EXPECT_TRUE(each->StampNow() == each->stamp());
  ReadAll(temp_ / "data");
  files.CloseOne();
  for (const DataFile* each : {&kept_open, &file}) EXPECT_TRUE(each->StampNow() == each->stamp());
  WriteInPlace(temp_ / "data", 3, "x");
  files.CloseOne();
  for (const DataFile* each : {&kept_open, &file}) EXPECT_FALSE(each->StampNow() == each->stamp());
}

TEST_F(DataFileTest, RefusesWhatIsNotARegularFile) {
  ExpectError([&] { DataFile(temp_ / "none", "set"); }, {"set", "none is missing"});
  ExpectError([&] { DataFile(temp_.path(), "set"); }, {"set", "not a regular file"});
  ExpectError([&] { DataFile("/dev/null", "set"); }, {"set", "null is not a regular file"});
}

}  // namespace
}  // namespace crema::test
