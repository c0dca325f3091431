// LevelDBs as the leveldb library makes them, whole and damaged.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <leveldb/db.h>
#include <leveldb/write_batch.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstring>
#include <functional>
#include <map>
#include <random>

#include "base/sanitizers.h"
#include "data/crc32c.h"
#include "data/databases.h"
#include "data/leveldb_format.h"
#include "data/leveldb_version.h"
#include "train/train_test_util.h"
#include "util/count_reads.h"
#include "util/layer_runner.h"
#include "util/peak_memory.h"

namespace crema::test {
namespace {

namespace fs = std::filesystem;
using Records = std::map<std::string, std::string>;
using testing::HasSubstr;

std::unique_ptr<leveldb::DB> OpenWithLibrary(const std::string& path,
                                             leveldb::Options options = {}) {
  options.create_if_missing = true;
  leveldb::DB* db = nullptr;
  const leveldb::Status status = leveldb::DB::Open(options, path, &db);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return std::unique_ptr<leveldb::DB>(db);
}

Records ReadRecords(const std::string& path) {
  Records records;
  for (auto& [key, value] : ReadDatabase(Backend::kLevelDb, path)) {
    EXPECT_TRUE(records.emplace(key, value).second) << key << " is there twice";
  }
  return records;
}

// The files of a folder and what they hold.
Records Files(const std::string& folder) {
  Records files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = ReadAll(entry.path().string());
  }
  return files;
}

class LevelDbTest : public testing::Test {
 protected:
  LevelDbTest() : path_(temp_ / "db") {}

  // Records in the log, in one batch each, and none in tables.
  Records WriteLog(int count, size_t size = 20) {
    Records records;
    const auto db = OpenWithLibrary(path_);
    for (int i = 0; i < count; ++i) {
      const std::string value(size, static_cast<char>('a' + i % 26));
      records[TestKey(i)] = value;
      EXPECT_TRUE(db->Put({}, TestKey(i), value).ok());
    }
    return records;
  }
  // The same in a table.
  Records WriteTable(int count, size_t size = 20, bool compressed = true) {
    Records records = WriteLog(count, size);
    leveldb::Options options;
    options.block_size = 1024;
    if (!compressed) options.compression = leveldb::kNoCompression;
    OpenWithLibrary(path_, options)->CompactRange(nullptr, nullptr);
    EXPECT_EQ(ReadAll(Find(".log")), "");
    return records;
  }
  // Puts logs into one folder, as tables of level 0: the library's repair makes one of each.
  void MakeTablesOf(const std::vector<std::string>& logs) {
    fs::create_directories(path_);
    for (size_t i = 0; i < logs.size(); ++i) {
      WriteAll(path_ + "/" + LevelDbFileName(101 + i, "log"), logs[i]);
    }
    leveldb::Options options;
    options.compression = leveldb::kNoCompression;
    ASSERT_TRUE(leveldb::RepairDB(path_, options).ok());
    fs::remove_all(path_ + "/lost");
  }
  // A log in which `puts` were made, one by one.
  std::string LogOf(const std::vector<std::pair<std::string, std::string>>& puts) {
    const std::string path = temp_ / "part";
    fs::remove_all(path);
    {
      const auto db = OpenWithLibrary(path);
      for (const auto& [key, value] : puts) EXPECT_TRUE(db->Put({}, key, value).ok());
    }
    for (const auto& [name, bytes] : Files(path)) {
      if (name.find(".log") != std::string::npos) return bytes;
    }
    return "";
  }
  // `tables` tables of level 0, with five records each.
  Records WriteLevel0(int tables) {
    Records records;
    std::vector<std::string> logs;
    for (int t = 0; t < tables; ++t) {
      std::vector<std::pair<std::string, std::string>> puts;
      for (int i = 0; i < 5; ++i) {
        puts.emplace_back(TestKey(5 * t + i), Concat("value ", 5 * t + i));
      }
      records.insert(puts.begin(), puts.end());
      logs.push_back(LogOf(puts));
    }
    MakeTablesOf(logs);
    return records;
  }
  // The path of the file with this in its name.
  std::string Find(const std::string& part) const {
    for (const auto& [name, bytes] : Files(path_)) {
      if (name.find(part) != std::string::npos) return path_ + "/" + name;
    }
    return "";
  }
  // Reads with other bytes in a file, and puts back the right ones. Nothing may change.
  void ExpectErrorWith(const std::string& file, const std::string& bytes,
                       const std::vector<std::string>& parts) {
    const std::string right = ReadAll(file);
    WriteAll(file, bytes);
    const Records before = Files(path_);
    ExpectError([&] { ReadRecords(path_); }, parts);
    EXPECT_EQ(Files(path_), before);
    WriteAll(file, right);
  }

  TempFolder temp_;
  const std::string path_;
};

// Puts and deletes at random, in as many files and levels as can be.
TEST_F(LevelDbTest, GivesWhatTheLibraryGives) {
  std::mt19937 random(7);
  for (int round = 0; round < 6; ++round) {
    fs::remove_all(path_);
    Records records;
    leveldb::Options options;
    options.write_buffer_size = 64 << 10;
    options.max_file_size = 1 << 20;
    options.block_size = round % 2 == 0 ? 512 : 8192;
    options.compression = round % 3 == 0 ? leveldb::kNoCompression : leveldb::kSnappyCompression;
    for (int part = 0; part < 3; ++part) {
      const auto db = OpenWithLibrary(path_, options);
      for (int i = 0; i < 3000; ++i) {
        const std::string key = TestKey(static_cast<int>(random() % 2000));
        if (random() % 4 == 0) {
          records.erase(key);
          EXPECT_TRUE(db->Delete({}, key).ok());
          continue;
        }
        std::string value(random() % 300, static_cast<char>(random()));
        for (size_t k = 0; k < value.size(); k += 1 + random() % 8)
          value[k] = static_cast<char>(random());
        records[key] = value;
        EXPECT_TRUE(db->Put({}, key, value).ok());
      }
    }
    const Records before = Files(path_);
    EXPECT_EQ(ReadRecords(path_), records);
    EXPECT_EQ(ReadShuffled(Backend::kLevelDb, path_, 50), records);
    const auto source = OpenRecordSource(Backend::kLevelDb, path_);
    const auto cursor = source->NewCursor();
    for (int i = 0; i < 2000; ++i) {
      const auto found = records.find(TestKey(i));
      ASSERT_EQ(cursor->Find(TestKey(i)), found != records.end());
      if (found == records.end()) continue;
      ASSERT_EQ(cursor->value(), found->second);
      const bool more = cursor->Next();
      ASSERT_EQ(more, std::next(found) != records.end());
      if (!more) continue;
      ASSERT_EQ(cursor->key(), std::next(found)->first);
    }
    EXPECT_EQ(Files(path_), before);
  }
}

TEST_F(LevelDbTest, ManyTablesOfALevel) {
  Records records;
  {
    leveldb::Options options;
    options.max_file_size = 1 << 20;
    options.compression = leveldb::kNoCompression;
    const auto db = OpenWithLibrary(path_, options);
    for (int i = 0; i < 1000; ++i) {
      records[TestKey(i * 37 % 1000)] = std::string(8000, static_cast<char>(i));
      EXPECT_TRUE(db->Put({}, TestKey(i * 37 % 1000), records[TestKey(i * 37 % 1000)]).ok());
    }
    db->CompactRange(nullptr, nullptr);
  }
  EXPECT_EQ(ReadRecords(path_), records);
}

// Parts of a record end where blocks of 32 KiB end.
TEST_F(LevelDbTest, RecordsOfAllSizesInTheLog) {
  Records records;
  {
    const auto db = OpenWithLibrary(path_);
    int number = 0;
    for (const size_t size :
         {0,     1,     32700, 32720, 32721, 32722, 32723, 32724,  32725,  32726, 32727,
          32728, 32729, 32730, 32735, 32768, 65500, 65536, 100000, 300000, 5}) {
      std::string value(size, '\0');
      for (size_t i = 0; i < size; ++i) value[i] = static_cast<char>(i * 7 + i / 256 + number);
      records[TestKey(number)] = value;
      EXPECT_TRUE(db->Put({}, TestKey(number++), value).ok());
    }
    // Several in one batch.
    leveldb::WriteBatch batch;
    for (int i = 0; i < 2000; ++i) {
      const std::string key = "x" + TestKey(i);
      records[key] = std::string(static_cast<size_t>(i % 90), static_cast<char>(i));
      batch.Put(key, records[key]);
    }
    EXPECT_TRUE(db->Write({}, &batch).ok());
  }
  EXPECT_EQ(ReadRecords(path_), records);
  EXPECT_EQ(ReadShuffled(Backend::kLevelDb, path_, 100), records);
}

// The library passes over a record that is damaged, says nothing, and then removes the log.
TEST_F(LevelDbTest, ADamagedLogIsAnErrorAndStays) {
  const Records records = WriteLog(60);
  const std::string log = Find(".log"), whole = ReadAll(log);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] ^= 0x10;
    SCOPED_TRACE(at);
    ExpectErrorWith(log, damaged, {path_, ".log", "copy it again or recreate it"});
  }
  std::string zeros = whole;
  zeros.replace(zeros.size() / 2, 100, 100, '\0');
  ExpectErrorWith(log, zeros, {path_, ".log is damaged: the record at byte ", " is invalid"});
  EXPECT_EQ(ReadRecords(path_), records);
}

TEST_F(LevelDbTest, ALogThatEndsTooEarlyIsAnError) {
  const Records records = WriteLog(30);
  const std::string log = Find(".log"), whole = ReadAll(log);
  size_t cut_off = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    WriteAll(log, whole.substr(0, size));
    try {
      // Only where a record ends can the rest be missing without a trace.
      const Records left = ReadRecords(path_);
      EXPECT_TRUE(std::includes(records.begin(), records.end(), left.begin(), left.end()));
    } catch (const Error& error) {
      ++cut_off;
      const std::string text = error.what();
      EXPECT_TRUE(text.find("ends in the middle of the record") != std::string::npos ||
                  text.find("has no records") != std::string::npos)
          << text;
    }
    EXPECT_EQ(ReadAll(log), whole.substr(0, size));
  }
  EXPECT_EQ(cut_off, whole.size() - 29);
}

TEST_F(LevelDbTest, AMissingLogIsAWarning) {
  const Records records = WriteTable(30);
  fs::remove(Find(".log"));
  const LogCapture log;
  EXPECT_EQ(ReadRecords(path_), records);
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_THAT(log.warnings()[0], HasSubstr(".log is missing; records that were written last"));
}

TEST_F(LevelDbTest, ADamagedTableIsAnError) {
  for (const bool compressed : {false, true}) {
    fs::remove_all(path_);
    const Records records = WriteTable(60, 100, compressed);
    const std::string table = Find(".ldb"), whole = ReadAll(table);
    int errors = 0;
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string damaged = whole;
      damaged[at] ^= 0x10;
      WriteAll(table, damaged);
      try {
        EXPECT_EQ(ReadRecords(path_), records);  // in what is not read
      } catch (const Error& error) {
        ++errors;
        EXPECT_THAT(error.what(), HasSubstr(".ldb"));
        EXPECT_THAT(error.what(), HasSubstr("copy it again or recreate it"));
      }
      ASSERT_EQ(ReadAll(table), damaged);
    }
    // Not read: the block of statistics, the place of that block, and padding.
    EXPECT_GT(errors, static_cast<int>(whole.size()) - 100);
    WriteAll(table, whole);
    ExpectErrorWith(table, whole.substr(0, whole.size() - 1), {"it has", "bytes, expected"});
    ExpectErrorWith(table, whole + "x", {"it has", "bytes, expected"});
  }
}

TEST_F(LevelDbTest, AMissingFileIsAnError) {
  WriteTable(60);
  for (const char* part : {".ldb", "MANIFEST"}) {
    const std::string file = Find(part), bytes = ReadAll(file);
    fs::remove(file);
    ExpectError([&] { ReadRecords(path_); }, {path_, part, "is missing", "copy it again"});
    WriteAll(file, bytes);
  }
  EXPECT_EQ(ReadRecords(path_).size(), 60u);
}

TEST_F(LevelDbTest, TablesMayHaveTheirOldName) {
  const Records records = WriteTable(60);
  const std::string table = Find(".ldb");
  fs::rename(table, table.substr(0, table.size() - 3) + "sst");
  EXPECT_EQ(ReadRecords(path_), records);
}

TEST_F(LevelDbTest, ADamagedManifestIsAnError) {
  const Records records = WriteTable(60);
  const std::string manifest = Find("MANIFEST"), whole = ReadAll(manifest);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] ^= 0x10;
    SCOPED_TRACE(at);
    ExpectErrorWith(manifest, damaged, {path_, "MANIFEST", "copy it again or recreate it"});
  }
  for (const char* text : {"", "MANIFEST-", "MANIFEST-\n", "MANIFEST-000002",
                           "../MANIFEST-000002\n", "MANIFEST-000/../x\n", "/etc/passwd\n", "x"}) {
    ExpectErrorWith(path_ + "/CURRENT", text, {path_, "CURRENT is damaged"});
  }
  EXPECT_EQ(ReadRecords(path_), records);
}

TEST_F(LevelDbTest, AManifestWithoutItsLastEditsIsAnError) {
  WriteTable(60);
  const std::string manifest = Find("MANIFEST"), whole = ReadAll(manifest);
  const auto size_at = [&](size_t at) {
    return 7u + static_cast<unsigned char>(whole[at + 4]) +
           256u * static_cast<unsigned char>(whole[at + 5]);
  };
  ASSERT_LT(size_at(0), whole.size());
  ExpectErrorWith(manifest, whole.substr(0, size_at(0)), {"MANIFEST", "last edits are missing"});
}

// As LevelDB before 1.15 leaves files if its process is ended.
TEST_F(LevelDbTest, ZerosBehindTheLastRecordAreNoDamage) {
  const Records records = WriteTable(60);
  const std::string manifest = Find("MANIFEST"), whole = ReadAll(manifest);
  for (const size_t size : {size_t{3}, size_t{500}, size_t{65536}}) {
    WriteAll(manifest, whole + std::string(size, '\0'));
    EXPECT_EQ(ReadRecords(path_), records) << size;
  }
  ExpectErrorWith(manifest, whole + std::string(500, '\0') + "x", {"MANIFEST", "is damaged"});
}

// A version that was true once: either all is still there, or that something is missing is an
// error.
TEST_F(LevelDbTest, AManifestThatWasCutIsNoticed) {
  Records records;
  {
    leveldb::Options options;
    options.write_buffer_size = 64 << 10;
    const auto db = OpenWithLibrary(path_, options);
    for (int i = 0; i < 1000; ++i) {
      const std::string key = TestKey(i * 7 % 300), value(400, static_cast<char>('a' + i % 26));
      records[key] = value;
      ASSERT_TRUE(db->Put({}, key, value).ok());
      if (i % 250 == 100) db->CompactRange(nullptr, nullptr);
    }
  }
  ASSERT_EQ(ReadRecords(path_), records);
  const std::string manifest = Find("MANIFEST"), whole = ReadAll(manifest);
  int errors = 0;
  for (size_t at = 0; at < whole.size();) {
    WriteAll(manifest, whole.substr(0, at));
    try {
      EXPECT_EQ(ReadRecords(path_), records) << at;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(path_));
      ++errors;
    }
    at += 7u + static_cast<unsigned char>(whole[at + 4]) +
          256u * static_cast<unsigned char>(whole[at + 5]);
  }
  EXPECT_GT(errors, 5);
}

// What hostile files say, under checksums that are right.
class HostileLevelDbTest : public LevelDbTest {
 protected:
  static std::string Fixed32(uint32_t number) {
    std::string bytes;
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(number >> 8 * i & 0xFF);
    return bytes;
  }
  static std::string Varint(uint64_t number) {
    std::string bytes;
    for (; number >= 128; number >>= 7) bytes += static_cast<char>((number & 127) | 128);
    return bytes + static_cast<char>(number);
  }
  static std::string Checksum(const std::string& bytes) {
    const uint32_t crc = Crc32c(bytes);
    return Fixed32((crc >> 15 | crc << 17) + 0xA282EAD8u);
  }
  static std::string Sealed(const std::string& block) { return block + Checksum(block); }
  // As a record of a log, if it fits in a block.
  static std::string LogRecord(const std::string& text) {
    const std::string checked = "\1" + text;
    return Checksum(checked) + static_cast<char>(text.size() & 0xFF) +
           static_cast<char>(text.size() >> 8) + checked;
  }
  static std::string Text(const std::string& text) { return Varint(text.size()) + text; }

  void AddEdit(const std::string& edit) {
    const std::string manifest = Find("MANIFEST");
    WriteAll(manifest, ReadAll(manifest) + LogRecord(edit));
  }
  // An edit that adds a table.
  static std::string NewFile(uint64_t level, uint64_t number, uint64_t size,
                             const std::string& smallest, const std::string& largest) {
    const std::string tail(8, '\1');
    return Varint(7) + Varint(level) + Varint(number) + Varint(size) + Text(smallest + tail) +
           Text(largest + tail);
  }

  // Puts an index block, with the byte that says how it is packed, in the place of the table's; the
  // size of the file must stay.
  void ReplaceIndex(const std::function<std::string(std::string)>& change) {
    std::string bytes = ReadAll(Find(".ldb"));
    LevelDbParser footer(std::string_view(bytes).substr(bytes.size() - 48));
    uint64_t offset, size;
    for (int i = 0; i < 2; ++i) {  // the second place is the index's
      ASSERT_TRUE(footer.Varint(&offset));
      ASSERT_TRUE(footer.Varint(&size));
    }
    const std::string changed = change(bytes.substr(offset, size + 1));
    ASSERT_EQ(changed.size(), size + 1);
    bytes.replace(offset, size + 5, Sealed(changed));
    WriteAll(Find(".ldb"), bytes);
  }
};

// All that is in the log comes after what the manifest tells of.
TEST_F(HostileLevelDbTest, ALogThatEndsBeforeTheManifestIsAnError) {
  const Records records = WriteLog(30);
  const std::string manifest = Find("MANIFEST"), whole = ReadAll(manifest);
  AddEdit(Varint(4) + Varint(30));
  EXPECT_EQ(ReadRecords(path_), records);
  AddEdit(Varint(4) + Varint(31));
  ExpectError([&] { ReadRecords(path_); },
              {".log ends with change 30", "the manifest tells of 31", "copy it again"});
}

TEST_F(HostileLevelDbTest, BatchesThatGoBackAreAnError) {
  WriteLog(3);
  const std::string log = Find(".log"), whole = ReadAll(log);
  const auto batch = [](uint32_t sequence, const std::string& key) {
    return LogRecord(Fixed32(sequence) + Fixed32(0) + Fixed32(1) + "\1" + Text(key) + Text("v"));
  };
  WriteAll(log, whole + batch(9, "x"));
  EXPECT_EQ(ReadRecords(path_).size(), 4u);
  WriteAll(log, whole + batch(2, "x"));
  ExpectError([&] { ReadRecords(path_); }, {".log is damaged", "batch"});
}

TEST_F(HostileLevelDbTest, ATableThatIsListedTwiceIsAnError) {
  WriteTable(60);
  const uint64_t number = std::stoull(fs::path(Find(".ldb")).stem().string());
  for (uint64_t level = 3; level < 5; ++level) {
    AddEdit(NewFile(level, number, fs::file_size(Find(".ldb")), "a", "b"));
  }
  ExpectError([&] { ReadRecords(path_); }, {"MANIFEST", "lists table", "twice"});
}

// Keys that share almost everything with the one before: 15 bytes stand for 60,000.
TEST_F(HostileLevelDbTest, ASmallTableOfHugeKeysIsAnError) {
  WriteTable(60);
  std::string block;
  const std::string tail = std::string("\1\1", 2) + std::string(6, '\0');
  const std::string prefix(60000, 'a');
  const auto suffix = [](int i) {
    return std::string{static_cast<char>(i >> 8), static_cast<char>(i & 0xFF)};
  };
  for (int i = 0; i < 2000; ++i) {
    const std::string own = (i == 0 ? prefix : "") + suffix(i) + tail;
    block += Varint(i == 0 ? 0 : prefix.size()) + Varint(own.size()) + Varint(0) + own;
  }
  block += Fixed32(0) + Fixed32(1);
  const std::string last = prefix + suffix(1999) + tail;
  const std::string place = Varint(0) + Varint(block.size());
  const std::string index = Varint(0) + Varint(last.size()) + Varint(place.size()) + last + place +
                            Fixed32(0) + Fixed32(1);
  std::string table = Sealed(block + '\0'), footer = Varint(0) + Varint(0);
  footer += Varint(table.size()) + Varint(index.size());
  table += Sealed(index + '\0') + footer + std::string(40 - footer.size(), '\0') +
           Fixed32(0x8B80FB57) + Fixed32(0xDB477524);
  WriteAll(path_ + "/000900.ldb", table);
  AddEdit(NewFile(5, 900, table.size(), "a", "b"));
  ExpectError([&] { OpenRecordSource(Backend::kLevelDb, path_)->Keys(); },
              {"claim to hold more than", "bytes of keys"});
}

TEST_F(HostileLevelDbTest, ABlockOfATerabyteIsAnError) {
  WriteTable(60);
  const std::string table = Find(".ldb");
  std::string bytes = ReadAll(table), footer = Varint(0) + Varint(10) + Varint(0);
  footer += Varint(1000000000000);
  bytes.replace(bytes.size() - 48, footer.size(), footer);
  ExpectErrorWith(table, bytes, {".ldb is damaged: the place of a block is invalid"});
}

// A data block that the index places beyond the file.
TEST_F(HostileLevelDbTest, ADataBlockBeyondTheFileIsAnError) {
  WriteTable(60, 100, false);
  ReplaceIndex([](std::string index) {
    // The last two bytes of the first entry's value are the size.
    const size_t value = 3 + static_cast<unsigned char>(index[1]);
    index[value + static_cast<unsigned char>(index[2]) - 1] = 0x7F;
    return index;
  });
  ExpectError([&] { ReadRecords(path_); }, {".ldb is damaged"});
}

// The index names one block twice, in the place of another.
TEST_F(HostileLevelDbTest, ABlockThatIsListedTwiceIsAnError) {
  WriteTable(100, 100, false);
  ReplaceIndex([](std::string index) {
    std::vector<std::pair<size_t, size_t>> values;
    for (size_t at = 0; values.size() < 6;) {
      const size_t key = static_cast<unsigned char>(index[at + 1]);
      const size_t value = static_cast<unsigned char>(index[at + 2]);
      values.emplace_back(at + 3 + key, value);
      at += 3 + key + value;
    }
    EXPECT_EQ(values[3].second, values[4].second);
    return index.replace(values[3].first, values[3].second,
                         index.substr(values[4].first, values[4].second));
  });
  ExpectError([&] { ReadRecords(path_); }, {"its keys are not in order"});
}

TEST_F(HostileLevelDbTest, ASmallBlockThatClaimsToUnpackToMuchIsAnError) {
  WriteTable(60, 100, false);
  ReplaceIndex([](std::string index) {
    index.replace(0, 5, std::string("\xFF\xFF\xFF\xFF\x0F", 5));
    index.back() = 1;  // Snappy
    return index;
  });
  ExpectError([&] { ReadRecords(path_); }, {"cannot be decompressed"});
}

TEST_F(HostileLevelDbTest, AnotherCompressionIsNamed) {
  WriteTable(60, 100, false);
  ReplaceIndex([](std::string index) {
    index.back() = 2;
    return index;
  });
  ExpectError([&] { ReadRecords(path_); }, {"compressed by method 2"});
}

// Damage of all kinds under a right checksum.
TEST_F(HostileLevelDbTest, NoIndexGetsThrough) {
  const Records records = WriteTable(60, 100, false);
  const std::string table = Find(".ldb"), whole = ReadAll(table);
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    ReplaceIndex([&](std::string index) {
      for (int i = 0; i < 2; ++i)
        index[random() % (index.size() - 1)] = static_cast<char>(random());
      return index;
    });
    try {
      EXPECT_LE(ReadRecords(path_).size(), records.size());
      const auto source = OpenRecordSource(Backend::kLevelDb, path_);
      (void)source->NewCursor()->Find(TestKey(30));
    } catch (const Error&) {
    }
    WriteAll(table, whole);
  }
}

TEST_F(HostileLevelDbTest, NoBatchGetsThrough) {
  WriteLog(3);
  const std::string log = Find(".log");
  std::mt19937 random(4);
  for (int round = 0; round < 2000; ++round) {
    std::string batch = std::string("\1\0\0\0\0\0\0\0", 8) + Fixed32(2);
    for (const char* key : {"a", "b"}) batch += std::string("\1\1", 2) + key + "\5value";
    if (round > 0) batch[random() % batch.size()] = static_cast<char>(random());
    WriteAll(log, LogRecord(batch));
    try {
      EXPECT_LE(ReadRecords(path_).size(), 2u);
    } catch (const Error& error) {
      EXPECT_GT(round, 0) << error.what();
    }
  }
}

TEST_F(LevelDbTest, ManyMayReadAtOnce) {
  const Records records = WriteTable(60);
  const auto source = OpenRecordSource(Backend::kLevelDb, path_);
  const pid_t child = fork();
  if (child == 0) _exit(ReadRecords(path_) == records ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

// In a child, whose exit status tells whether `works` returned true.
int StatusOf(const std::function<bool()>& works) {
  const pid_t child = fork();
  if (child == 0) _exit(works() ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

// The library changes files as soon as it opens a database.
TEST_F(LevelDbTest, TheLibraryDoesNotOpenWhatIsBeingRead) {
  const Records records = WriteTable(60);
  const auto library_opens = [&] {
    leveldb::DB* db = nullptr;
    const bool opened = leveldb::DB::Open({}, path_, &db).ok();
    delete db;
    return opened;
  };
  auto source = OpenRecordSource(Backend::kLevelDb, path_);
  const Records before = Files(path_);
  EXPECT_NE(StatusOf(library_opens), 0);
  EXPECT_EQ(StatusOf([&] { return ReadRecords(path_) == records; }), 0);
  Records after = Files(path_);
  for (const char* log : {"LOG", "LOG.old"}) {  // the library's own messages
    after.erase(log);
  }
  for (const auto& [name, bytes] : after) EXPECT_EQ(before.at(name), bytes) << name;
  source.reset();
  EXPECT_EQ(StatusOf(library_opens), 0);
  EXPECT_EQ(ReadRecords(path_), records);
}

TEST_F(LevelDbTest, NoLockIsMadeWhereThereIsNone) {
  const Records records = WriteTable(60);
  fs::remove(path_ + "/LOCK");
  EXPECT_EQ(ReadRecords(path_), records);
  EXPECT_FALSE(fs::exists(path_ + "/LOCK"));
  WriteAll(temp_ / "mine", "precious");
  fs::create_symlink(temp_ / "mine", path_ + "/LOCK");
  EXPECT_EQ(ReadRecords(path_), records);
  EXPECT_EQ(ReadAll(temp_ / "mine"), "precious");
}

// Of a set with many tables that may all hold the first record, a few are open at a time.
TEST_F(LevelDbTest, ManyTablesNeedFewDescriptors) {
  const Records records = WriteLevel0(60);
  const int status = StatusOf([&] {
    const int next = open("/dev/null", O_RDONLY);
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = static_cast<rlim_t>(next) + 12;
    if (next < 0 || setrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    const auto source = OpenRecordSource(Backend::kLevelDb, path_);
    const auto cursor = source->NewCursor(), other = source->NewCursor();
    bool more = cursor->First();
    for (const auto& [key, value] : records) {
      if (!more || cursor->key() != key || cursor->value() != value) return false;
      if (!other->Find(key) || other->value() != value) return false;
      more = cursor->Next();
    }
    return !more;
  });
  EXPECT_EQ(status, 0);
}

// A block of each table would be sixty.
TEST_F(LevelDbTest, ASearchReadsOneBlock) {
  const Records records = WriteLevel0(60);
  if (CountReads() == 0) GTEST_SKIP() << "/proc/self/io cannot be read";
  const auto source = OpenRecordSource(Backend::kLevelDb, path_);
  const auto cursor = source->NewCursor();
  std::vector<std::string> keys;
  for (const auto& record : records) keys.push_back(record.first);
  std::mt19937 random(3);
  std::shuffle(keys.begin(), keys.end(), random);
  for (const std::string& key : keys) ASSERT_TRUE(cursor->Find(key));  // loads the indexes
  const uint64_t before = CountReads();
  for (const std::string& key : keys) ASSERT_TRUE(cursor->Find(key));
  EXPECT_LE(CountReads() - before, keys.size() + 20);
  EXPECT_FALSE(cursor->Find("x"));
  EXPECT_FALSE(cursor->Next());
}

// From tables, of blocks that are stored as they are and of such that are packed, and from a log.
TEST_F(LevelDbTest, AShuffledPassGivesWhatAPassInOrderGives) {
  for (const bool packed : {false, true}) {
    fs::remove_all(path_);
    Records records = WriteTable(300, 100, packed);
    {
      const auto db = OpenWithLibrary(path_);
      for (int i = 250; i < 350; ++i) {
        records[TestKey(i)] = std::string(static_cast<size_t>(i) * 200, static_cast<char>(i));
        ASSERT_TRUE(db->Put({}, TestKey(i), records[TestKey(i)]).ok());
      }
      records.erase(TestKey(17));
      ASSERT_TRUE(db->Delete({}, TestKey(17)).ok());
    }
    ASSERT_EQ(ReadRecords(path_), records);
    for (const uint64_t random : {1, 2}) {
      EXPECT_EQ(ReadShuffled(Backend::kLevelDb, path_, 20, random), records);
    }
  }
  fs::remove_all(path_);
  const Records records = WriteLevel0(60);
  EXPECT_EQ(ReadShuffled(Backend::kLevelDb, path_), records);
}

// Values that are read alone, and of which no checksum tells: that the file was touched makes the
// whole block be checked again.
TEST_F(LevelDbTest, DamageWhileItIsShuffledIsNoticed) {
  for (const bool packed : {false, true}) {
    fs::remove_all(path_);
    WriteTable(60, 100, packed);
    RecordStream stream(OpenRecordSource(Backend::kLevelDb, path_), true, 1);
    std::vector<Record> records(60);
    if (!packed) stream.Next(records.data(), records.size());  // else they are in memory now
    const std::string table = Find(".ldb");
    for (const size_t at : {20, 1500, 3000}) {
      if (at < fs::file_size(table) / 2) WriteInPlace(table, at, "\x5a\x5b");
    }
    ExpectError([&] { stream.Next(records.data(), records.size()); },
                {path_, ".ldb is damaged: the block at byte ", "is invalid"});
  }
}

TEST_F(LevelDbTest, ATableThatWasTouchedIsReadWithCare) {
  for (const bool packed : {false, true}) {
    fs::remove_all(path_);
    const Records right = WriteTable(60, 100, packed);
    RecordStream stream(OpenRecordSource(Backend::kLevelDb, path_), true, 1);
    std::vector<Record> records(25);
    stream.Next(records.data(), records.size());
    WriteInPlace(Find(".ldb"), 0, "");
    const LogCapture log;
    for (int round = 0; round < 5; ++round) {
      stream.Next(records.data(), records.size());
      for (const Record& record : records) EXPECT_EQ(record.value, right.at(record.key));
    }
    EXPECT_EQ(log.warnings().size(), 1u);
  }
}

TEST_F(LevelDbTest, ATableThatShrinksWhileItIsShuffledIsAnError) {
  for (const bool packed : {false, true}) {
    fs::remove_all(path_);
    WriteTable(60, 100, packed);
    RecordStream stream(OpenRecordSource(Backend::kLevelDb, path_), true, 1);
    std::vector<Record> records(60);
    fs::resize_file(Find(".ldb"), 10);
    ExpectError([&] { stream.Next(records.data(), records.size()); }, {path_, "has shrunk to "});
  }
}

// The library's repair may give the table with the older value the higher number.
TEST_F(LevelDbTest, OfLevel0TheLatestChangeCounts) {
  const std::string older = LogOf({{"key", "old"}, {"a", "1"}});
  const std::string newer = LogOf({{"b", "2"}, {"c", "3"}, {"key", "new"}});
  for (const bool swapped : {false, true}) {
    fs::remove_all(path_);
    MakeTablesOf(swapped ? std::vector<std::string>{newer, older}
                         : std::vector<std::string>{older, newer});
    EXPECT_EQ(ReadRecords(path_), (Records{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"key", "new"}}));
    const auto source = OpenRecordSource(Backend::kLevelDb, path_);
    const auto cursor = source->NewCursor();
    ASSERT_TRUE(cursor->Find("key"));
    EXPECT_EQ(cursor->key(), "key");
    EXPECT_EQ(cursor->value(), "new");
    EXPECT_FALSE(cursor->Next());
  }
}

// Before a record is read that is in another table.
TEST_F(LevelDbTest, AllTablesAreCheckedAtOnce) {
  WriteLevel0(4);
  std::vector<std::string> tables;
  for (const auto& [name, bytes] : Files(path_)) {
    if (name.find(".ldb") != std::string::npos) tables.push_back(path_ + "/" + name);
  }
  ASSERT_EQ(tables.size(), 4u);
  for (const std::string& table : tables) {
    const std::string bytes = ReadAll(table), name = fs::path(table).filename().string();
    const auto opens = [&] { OpenRecordSource(Backend::kLevelDb, path_); };
    fs::remove(table);
    ExpectError(opens, {path_, name, "is missing"});
    for (const std::string& other : {bytes.substr(1), bytes + "x", std::string()}) {
      WriteAll(table, other);
      ExpectError(opens,
                  {path_, name + " is damaged", "bytes, expected " + std::to_string(bytes.size())});
    }
    WriteAll(table, bytes);
  }
  EXPECT_EQ(ReadRecords(path_).size(), 20u);
}

// Files that get another's name while a set is in use, of which not all are open.
TEST_F(LevelDbTest, AReplacedTableIsAnError) {
  const Records records = WriteLevel0(60);
  const int status = StatusOf([&] {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 64);  // 16 tables at a time
    setrlimit(RLIMIT_NOFILE, &limit);
    const auto source = OpenRecordSource(Backend::kLevelDb, path_);
    const auto cursor = source->NewCursor();
    for (const auto& record : records) cursor->Find(record.first);
    for (const auto& [name, bytes] : Files(path_)) {
      if (name.find(".ldb") == std::string::npos) continue;
      WriteAll(temp_ / "new", bytes);
      fs::rename(temp_ / "new", path_ + "/" + name);
    }
    try {
      for (const auto& record : records) cursor->Find(record.first);
    } catch (const Error& error) {
      return std::string(error.what()).find("has been removed or replaced") != std::string::npos;
    }
    return false;
  });
  EXPECT_EQ(status, 0);
}

// A change of two bytes, many times: their keys and places took 36 times as much and more.
TEST_F(LevelDbTest, LateChangesTakeLittleMemory) {
  if (kHasSanitizer) GTEST_SKIP() << "sanitizers take memory of their own";
  constexpr int kChanges = 1 << 20;
  {
    leveldb::Options options;
    options.write_buffer_size = 512 << 20;
    leveldb::WriteBatch batch;
    for (int i = 0; i < kChanges; ++i) batch.Delete("");
    batch.Put("key", "value");
    EXPECT_TRUE(OpenWithLibrary(path_, options)->Write({}, &batch).ok());
  }
  const size_t log = fs::file_size(Find(".log"));
  ASSERT_GT(log, size_t{2} * kChanges);
  // In a child that has no memory left over from before.
  const int status = StatusOf([&] {
    if (!ResetPeak()) return true;
    const size_t before = PeakBytes();
    const bool right = ReadRecords(path_) == Records{{"key", "value"}};
    return right && PeakBytes() - before < 20 * log;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(LevelDbTest, ADatabaseThatTheLibraryHoldsIsAnError) {
  WriteTable(60);
  int ready[2], done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  char byte = 'x';
  if (child == 0) {
    const auto db = OpenWithLibrary(path_);
    if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ExpectError([&] { OpenRecordSource(Backend::kLevelDb, path_); }, {"another process is using it"});
  ASSERT_EQ(write(done[1], &byte, 1), 1);
  int status = 0;
  waitpid(child, &status, 0);
  for (int file : {ready[0], ready[1], done[0], done[1]}) close(file);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(ReadRecords(path_).size(), 60u);
}

// Closing any descriptor of a file gives up the locks that a process has on it.
TEST_F(LevelDbTest, AskingLeavesTheLockOfThisProcessAlone) {
  WriteTable(60);
  const auto db = OpenWithLibrary(path_);
  ExpectError([&] { OpenRecordSource(Backend::kLevelDb, path_); }, {"another process is using it"});
  const pid_t child = fork();
  if (child == 0) {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    const int file = open((path_ + "/LOCK").c_str(), O_RDWR);
    _exit(fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace crema::test
