// Small databases for tests.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "crema.pb.h"
#include "crema/error.h"
#include "data/record_source.h"
#include "data/record_stream.h"
#include "data/record_writer.h"

namespace crema::test {

// A folder that is removed with everything in it.
class TempFolder {
 public:
  TempFolder() {
    static std::atomic<int> number{0};
    path_ = testing::TempDir() + "/crema_data_" + std::to_string(getpid()) + "_" +
            std::to_string(number++);
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void WriteAll(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string TestKey(int i) {
  char key[16];
  std::snprintf(key, sizeof key, "%08d", i);
  return key;
}

// Pixel p of record i is (7 * i + 3 * p) mod 256; its label is i.
inline proto::Datum TestDatum(int i, int channels, int height, int width) {
  proto::Datum datum;
  datum.set_channels(channels);
  datum.set_height(height);
  datum.set_width(width);
  datum.set_label(i);
  for (int p = 0; p < channels * height * width; ++p) {
    datum.mutable_data()->push_back(static_cast<char>((7 * i + 3 * p) % 256));
  }
  return datum;
}

inline void WriteDatums(Backend backend, const std::string& path,
                        const std::vector<proto::Datum>& datums) {
  RecordWriter writer(backend, path);
  for (size_t i = 0; i < datums.size(); ++i) {
    writer.Put(TestKey(static_cast<int>(i)), datums[i].SerializeAsString());
  }
  writer.Finish();
}

inline void WriteTestDatabase(Backend backend, const std::string& path, int records,
                              int channels = 1, int height = 4, int width = 5) {
  std::vector<proto::Datum> datums;
  for (int i = 0; i < records; ++i) datums.push_back(TestDatum(i, channels, height, width));
  WriteDatums(backend, path, datums);
}

// All records of a database.
inline std::vector<std::pair<std::string, std::string>> ReadDatabase(Backend backend,
                                                                     const std::string& path) {
  std::vector<std::pair<std::string, std::string>> records;
  const auto source = OpenRecordSource(backend, path);
  const auto cursor = source->NewCursor();
  for (bool more = cursor->First(); more; more = cursor->Next()) {
    records.emplace_back(cursor->key(), cursor->value());
  }
  return records;
}

// The same as a shuffled pass gives them, `at_once` records in one call.
inline std::map<std::string, std::string> ReadShuffled(Backend backend, const std::string& path,
                                                       size_t at_once = 7, uint64_t random = 1) {
  std::map<std::string, std::string> records;
  const auto source = OpenRecordSource(backend, path);
  RecordStream stream(source, true, random);
  std::vector<Record> batch;
  for (uint64_t left = source->Keys().size(); left > 0; left -= batch.size()) {
    batch.resize(std::min<uint64_t>(at_once, left));
    stream.Next(batch.data(), batch.size());
    for (const Record& record : batch) {
      EXPECT_EQ(record.key, source->Keys()[record.number]);
      EXPECT_TRUE(records.emplace(record.key, record.value).second) << record.key;
    }
  }
  return records;
}

// Writes over a part of a file without making it anew, and long after it was written last.
inline void WriteInPlace(const std::string& path, size_t at, const std::string& bytes) {
  const auto before = std::filesystem::last_write_time(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(at)).write(bytes.data(), bytes.size());
  file.close();
  EXPECT_TRUE(file.good()) << path;
  std::filesystem::last_write_time(path, before + std::chrono::hours(1));
}

inline std::vector<proto::Datum> ReadDatums(Backend backend, const std::string& path) {
  std::vector<proto::Datum> datums;
  for (const auto& record : ReadDatabase(backend, path)) {
    datums.emplace_back();
    EXPECT_TRUE(datums.back().ParseFromString(record.second));
  }
  return datums;
}

// Tests that run on both kinds of database.
class BothBackends : public testing::TestWithParam<Backend> {
 protected:
  Backend backend() const { return GetParam(); }
  TempFolder temp_;
};
#define CREMA_ON_BOTH_BACKENDS(Suite)                                                        \
  INSTANTIATE_TEST_SUITE_P(                                                                  \
      Backends, Suite, testing::Values(::crema::Backend::kLmdb, ::crema::Backend::kLevelDb), \
      [](const auto& info) { return std::string(::crema::ToString(info.param)); })

}  // namespace crema::test
