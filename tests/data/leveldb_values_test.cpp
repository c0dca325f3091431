#include "data/leveldb_values.h"

#include <gtest/gtest.h>
#include <leveldb/db.h>

#include <algorithm>
#include <random>

#include "data/databases.h"
#include "data/leveldb_level.h"

namespace crema::test {
namespace {

std::shared_ptr<const LevelDbBlockCache::Block> BlockOf(size_t size) {
  auto block = std::make_shared<LevelDbBlockCache::Block>();
  block->bytes = {block->memory.Reserve(size), size};
  return block;
}

TEST(LevelDbBlockCacheTest, KeepsWhatWasUsedLast) {
  LevelDbBlockCache cache(1000);
  for (uint64_t i = 0; i < 4; ++i) cache.Keep({1, i}, BlockOf(250));
  EXPECT_NE(cache.Find({1, 0}), nullptr);
  cache.Keep({2, 0}, BlockOf(300));  // takes the place of two
  EXPECT_NE(cache.Find({1, 0}), nullptr);
  EXPECT_EQ(cache.Find({1, 1}), nullptr);
  EXPECT_EQ(cache.Find({1, 2}), nullptr);
  EXPECT_NE(cache.Find({1, 3}), nullptr);
  EXPECT_NE(cache.Find({2, 0}), nullptr);
}

TEST(LevelDbBlockCacheTest, KeepsNoMoreThanItMay) {
  LevelDbBlockCache cache(1000);
  cache.Keep({1, 0}, BlockOf(1001));
  EXPECT_EQ(cache.Find({1, 0}), nullptr);
  cache.Keep({1, 1}, BlockOf(1000));
  cache.Keep({1, 1}, BlockOf(1000));  // as if by another thread
  EXPECT_NE(cache.Find({1, 1}), nullptr);
  std::weak_ptr<const LevelDbBlockCache::Block> first = cache.Find({1, 1});
  cache.Keep({1, 2}, BlockOf(1));
  EXPECT_TRUE(first.expired());
}

// Tables of a database, with each value and its place.
class LevelDbValuesTest : public testing::Test {
 protected:
  void Write(bool packed) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.block_size = 4096;
    options.max_file_size = 1 << 20;
    options.compression = packed ? leveldb::kSnappyCompression : leveldb::kNoCompression;
    leveldb::DB* opened = nullptr;
    ASSERT_TRUE(leveldb::DB::Open(options, path_, &opened).ok());
    const std::unique_ptr<leveldb::DB> db(opened);
    for (int i = 0; i < 400; ++i) {
      std::string value(i % 50 == 0 ? 60000 : 700, static_cast<char>('a' + i % 26));
      value += TestKey(i);
      ASSERT_TRUE(db->Put({}, TestKey(i), value).ok());
    }
    db->CompactRange(nullptr, nullptr);
  }

  // Reads all values `times` times in any order, with a cache of `most` bytes.
  void ReadAllValues(size_t most, bool packed, int times) {
    OpenFiles files;
    const LevelDbVersion version = ReadLevelDbVersion(path_, "set");
    const LevelDbLateChanges late(path_, version.logs, "set", &files);
    LevelDbTables tables(path_, "set", &files);
    LevelDbBlockCache cache(most);
    std::vector<std::pair<RecordPlace, std::string>> values;
    size_t first = late.logs();
    for (const auto& level : version.levels) {
      LevelDbLevel part(&tables, level.data(), level.size(), first);
      for (bool more = part.First(); more; more = part.Next()) {
        values.emplace_back(part.place(), part.value());
        EXPECT_EQ(part.place().block_size > 0, packed);
      }
      first += level.size();
    }
    ASSERT_EQ(values.size(), 400u);
    LevelDbValues reader(version, &late, &tables, &cache);
    std::mt19937 random(2);
    std::string value;
    for (int i = 0; i < times; ++i) {
      std::shuffle(values.begin(), values.end(), random);
      for (const auto& [place, expected] : values) {
        reader.Read(place, &value);
        ASSERT_EQ(value, expected);
        reader.Read(place, &value);
        ASSERT_EQ(value, expected);
      }
    }
    EXPECT_TRUE(reader.AreAsListed());
  }

  TempFolder temp_;
  const std::string path_ = temp_ / "db";
};

TEST_F(LevelDbValuesTest, AreReadInAnyOrder) {
  Write(false);
  ReadAllValues(0, false, 2);
}

TEST_F(LevelDbValuesTest, PackedOnesAreReadInAnyOrderWhateverIsInMemory) {
  Write(true);
  for (const size_t most : {0, 5000, 20000, 1 << 20}) ReadAllValues(most, true, 2);
}

}  // namespace
}  // namespace crema::test
