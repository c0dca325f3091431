#include "data/record_stream.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "data/databases.h"
#include "train/train_test_util.h"
#include "util/count_reads.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class RecordStreamTest : public BothBackends {
 protected:
  RecordStreamTest() {
    WriteTestDatabase(backend(), temp_ / "db", kRecords);
    source_ = OpenRecordSource(backend(), temp_ / "db");
  }

  // The numbers of the next records.
  static std::vector<uint64_t> Take(RecordStream* stream, int count, uint64_t first_ordinal = 0) {
    std::vector<uint64_t> numbers;
    for (int i = 0; i < count; ++i) {
      Record record;
      stream->Next(&record);
      EXPECT_EQ(record.ordinal, first_ordinal + i);
      EXPECT_EQ(record.key, TestKey(static_cast<int>(record.number)));
      EXPECT_EQ(record.value,
                TestDatum(static_cast<int>(record.number), 1, 4, 5).SerializeAsString());
      numbers.push_back(record.number);
    }
    return numbers;
  }

  static constexpr int kRecords = 7;
  std::shared_ptr<RecordSource> source_;
};
CREMA_ON_BOTH_BACKENDS(RecordStreamTest);

TEST_P(RecordStreamTest, StartsAgainAtTheEnd) {
  RecordStream stream(source_, false, 1);
  EXPECT_EQ(Take(&stream, 16),
            (std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1}));
}

TEST_P(RecordStreamTest, SkipsRecordsAtTheStart) {
  RecordStream stream(source_, false, 1, 5);
  EXPECT_EQ(Take(&stream, 4), (std::vector<uint64_t>{5, 6, 0, 1}));
}

TEST_P(RecordStreamTest, GoesOnFromAnyOrdinal) {
  for (const bool shuffle : {false, true}) {
    RecordStream whole(source_, shuffle, 11, 2);
    const std::vector<uint64_t> numbers = Take(&whole, 60);
    for (int from : {0, 1, 4, 5, 6, 7, 8, 13, 14, 30, 49}) {
      RecordStream later(source_, shuffle, 11, 2, static_cast<uint64_t>(from));
      const std::vector<uint64_t> expected(numbers.begin() + from, numbers.begin() + from + 10);
      EXPECT_EQ(Take(&later, 10, static_cast<uint64_t>(from)), expected) << from;
    }
  }
}

TEST_P(RecordStreamTest, SeeksFarWithoutReadingAllTheWay) {
  const uint64_t far = uint64_t{1} << 62;  // would take centuries one by one
  for (const bool shuffle : {false, true}) {
    RecordStream stream(source_, shuffle, 1, 0, far);
    EXPECT_LT(Take(&stream, 1, far)[0], 7u);
  }
  RecordStream stream(source_, false, 1, 0, far);
  EXPECT_EQ(Take(&stream, 1, far)[0], far % kRecords);
}

TEST_P(RecordStreamTest, EachShuffledEpochHasEveryRecordOnce) {
  RecordStream stream(source_, true, 3);
  std::set<std::vector<uint64_t>> orders;
  for (uint64_t epoch = 0; epoch < 20; ++epoch) {
    std::vector<uint64_t> numbers = Take(&stream, kRecords, epoch * kRecords);
    orders.insert(numbers);
    std::sort(numbers.begin(), numbers.end());
    EXPECT_EQ(numbers, (std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6}));
  }
  EXPECT_GT(orders.size(), 17u);
  RecordStream same(source_, true, 3), other(source_, true, 4);
  RecordStream again(source_, true, 3);
  const std::vector<uint64_t> order = Take(&same, 21);
  EXPECT_EQ(Take(&again, 21), order);
  EXPECT_NE(Take(&other, 21), order);
}

// Sizes below and above those of a page, of a block of a log and of a block of a table.
std::map<std::string, std::string> RecordsOfAllSizes() {
  std::map<std::string, std::string> records;
  for (const size_t size : {0, 1, 20, 800, 1900, 2100, 3000, 4080, 5000, 32700, 70000, 150000}) {
    for (int i = 0; i < 4; ++i) {
      std::string value(size, static_cast<char>(i));
      for (size_t k = 0; k < size; k += 1 + k % 7) value[k] = static_cast<char>(k * k + size);
      records[TestKey(static_cast<int>(records.size()))] = value;
    }
  }
  return records;
}

void WriteRecords(Backend backend, const std::string& path,
                  const std::map<std::string, std::string>& records) {
  RecordWriter writer(backend, path);
  for (const auto& [key, value] : records) writer.Put(key, value);
  writer.Finish();
}

using ShuffledRecordsTest = BothBackends;
CREMA_ON_BOTH_BACKENDS(ShuffledRecordsTest);

TEST_P(ShuffledRecordsTest, AreThoseOfAPassInOrder) {
  const auto records = RecordsOfAllSizes();
  WriteRecords(backend(), temp_ / "db", records);
  for (const size_t at_once : {1, 7, 1000}) {
    EXPECT_EQ(ReadShuffled(backend(), temp_ / "db", at_once), records);
  }
}

TEST_P(ShuffledRecordsTest, ManyAtOnceAreTheSameAsOneByOne) {
  WriteRecords(backend(), temp_ / "db", RecordsOfAllSizes());
  const auto source = OpenRecordSource(backend(), temp_ / "db");
  for (const bool shuffle : {false, true}) {
    RecordStream one(source, shuffle, 3, 5, 2), many(source, shuffle, 3, 5, 2);
    std::vector<Record> records(30);
    for (int round = 0; round < 5; ++round) {  // through the ends of epochs
      many.Next(records.data(), records.size());
      for (const Record& record : records) {
        Record other;
        one.Next(&other);
        ASSERT_EQ(record.ordinal, other.ordinal);
        ASSERT_EQ(record.number, other.number);
        ASSERT_EQ(record.key, other.key);
        ASSERT_EQ(record.value, other.value);
      }
    }
  }
}

// And, once in a call, that nobody has changed the database.
TEST_P(ShuffledRecordsTest, EachTakesOneRead) {
  if (CountReads() == 0) GTEST_SKIP() << "/proc/self/io cannot be read";
  const auto all = RecordsOfAllSizes();
  WriteRecords(backend(), temp_ / "db", all);
  RecordStream stream(OpenRecordSource(backend(), temp_ / "db"), true, 1);
  std::vector<Record> records(all.size());
  const uint64_t before = CountReads();
  stream.Next(records.data(), records.size());
  const uint64_t after = CountReads();
  EXPECT_LE(after - before, records.size() + 10);
}

// It may hold something else now, so that all is searched and checked again.
TEST_P(ShuffledRecordsTest, AFileThatWasTouchedIsReadWithCare) {
  if (backend() == Backend::kLevelDb) GTEST_SKIP() << "see LevelDbTest, which has tables";
  const auto records = RecordsOfAllSizes();
  WriteRecords(backend(), temp_ / "db", records);
  RecordStream stream(OpenRecordSource(backend(), temp_ / "db"), true, 1);
  std::vector<Record> batch(10);
  stream.Next(batch.data(), batch.size());
  WriteInPlace(temp_ / "db/data.mdb", 0, "");
  const LogCapture log;
  for (int round = 0; round < 10; ++round) {
    stream.Next(batch.data(), batch.size());
    for (const Record& record : batch) EXPECT_EQ(record.value, records.at(record.key));
  }
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_NE(log.warnings()[0].find("touched since it was opened"), std::string::npos);
}

TEST(ShuffledOrderTest, OneRecordIsEnough) {
  ShuffledOrder order(1, 5);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(order[i], 0u);
}

// Each record comes to each place about equally often: 6000 / 5 = 1200 times, standard deviation
// sqrt(6000 * 0.2 * 0.8) = 31.
TEST(ShuffledOrderTest, IsUniform) {
  ShuffledOrder order(5, 9);
  int counts[5][5] = {};
  for (uint64_t epoch = 0; epoch < 6000; ++epoch) {
    for (uint64_t i = 0; i < 5; ++i) ++counts[i][order[epoch * 5 + i]];
  }
  for (const auto& row : counts) {
    for (int count : row) EXPECT_NEAR(count, 1200, 5 * 31);
  }
}

}  // namespace
}  // namespace crema::test
