#include "data/prefetcher.h"

#include <atomic>
#include <set>
#include <stdexcept>

#include "data/databases.h"
#include "data/record_batches.h"
#include "schema/text_reader.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

// Batch k is the number k; counts what goes on.
struct Counter : BatchMaker {
  struct Log {
    std::atomic<int> reading{0}, reads{0}, makes{0};
    std::atomic<bool> overlapped{false};
    std::mutex mutex;
    std::set<int> workers;
  };
  Counter(Log* log_to, int bad_read, int bad_make)
      : log(log_to), fail_read(bad_read), fail_make(bad_make) {}

  void Read(std::vector<Record>* records) override {
    if (++log->reading > 1) log->overlapped = true;
    records->resize(1);
    (*records)[0].ordinal = next;
    --log->reading;
    ++log->reads;
    if (static_cast<int>(next) == fail_read) Fail("read ", next);
    ++next;
  }
  void Make(const std::vector<Record>& records, int worker, Batch* batch) override {
    if (static_cast<int>(records[0].ordinal) == fail_make) Fail("make ", fail_make);
    batch->data = {static_cast<float>(records[0].ordinal)};
    ++log->makes;
    std::lock_guard<std::mutex> lock(log->mutex);
    log->workers.insert(worker);
  }

  Log* log;
  int fail_read, fail_make;
  uint64_t next = 0;
};

float Take(Prefetcher* prefetcher) {
  float value = -1;
  prefetcher->Take([&](const Batch& batch) { value = batch.data[0]; });
  return value;
}

TEST(PrefetcherTest, BatchesComeInOrder) {
  for (int depth : {1, 2, 5}) {
    for (int threads : {1, 3, 8}) {
      Counter::Log log;
      {
        Prefetcher prefetcher(std::make_unique<Counter>(&log, -1, -1), depth, threads);
        for (int k = 0; k < 300; ++k) ASSERT_EQ(Take(&prefetcher), k);
        EXPECT_GE(prefetcher.waited_seconds(), 0);
      }
      EXPECT_FALSE(log.overlapped);
      EXPECT_LE(log.reads, 300 + depth);  // no further ahead than asked for
      for (int worker : log.workers) EXPECT_LT(worker, std::min(threads, depth));
    }
  }
}

TEST(PrefetcherTest, AnErrorComesInItsPlace) {
  for (int threads : {1, 4}) {
    for (bool in_read : {true, false}) {
      Counter::Log log;
      Prefetcher prefetcher(std::make_unique<Counter>(&log, in_read ? 7 : -1, in_read ? -1 : 7), 4,
                            threads);
      for (int k = 0; k < 7; ++k) ASSERT_EQ(Take(&prefetcher), k);
      for (int again = 0; again < 2; ++again) {
        ExpectError([&] { Take(&prefetcher); }, {in_read ? "read 7" : "make 7"});
      }
    }
  }
}

TEST(PrefetcherTest, StopsAtAnyTime) {
  for (int taken : {0, 1, 5}) {
    Counter::Log log;
    Prefetcher prefetcher(std::make_unique<Counter>(&log, -1, -1), 3, 4);
    for (int k = 0; k < taken; ++k) Take(&prefetcher);
  }
}

TEST(PrefetcherTest, AThrowingUserLosesNothing) {
  Counter::Log log;
  Prefetcher prefetcher(std::make_unique<Counter>(&log, -1, -1), 2, 2);
  EXPECT_THROW(prefetcher.Take([](const Batch&) { throw std::runtime_error("x"); }),
               std::runtime_error);
  EXPECT_EQ(Take(&prefetcher), 0);
  EXPECT_EQ(Take(&prefetcher), 1);
}

class RecordBatchesTest : public BothBackends {
 protected:
  static constexpr int kRecords = 23, kBatch = 5;

  RecordBatchesTest() {
    WriteTestDatabase(backend(), temp_ / "db", kRecords, 3, 8, 9);
    options_.owner = "layer 'data' (Data)";
    options_.source = OpenRecordSource(backend(), temp_ / "db");
    SetTransform("crop_size: 6 mirror: true scale: 0.5");
    options_.batch_size = kBatch;
    options_.with_labels = true;
    options_.seed = 4;
    options_.key = 5;
  }

  void SetTransform(const std::string& text) {
    proto::TransformationParameter config;
    ReadText(text, "test", &config);
    options_.transformer = std::make_shared<Transformer>(config, Phase::kTrain, options_.owner);
    options_.size = InspectFirstRecord(*options_.source, *options_.transformer).size;
  }

  // Batches one after the other, as one vector each: data, then labels.
  std::vector<std::vector<float>> Take(int count, int threads = 1) {
    options_.workers = threads;
    Prefetcher prefetcher(MakeRecordBatches(options_), 4, threads);
    std::vector<std::vector<float>> batches;
    for (int k = 0; k < count; ++k) {
      prefetcher.Take([&](const Batch& batch) {
        EXPECT_EQ(batch.data.size(), kBatch * 3 * 6 * 6u);
        batches.push_back(batch.data);
        batches.back().insert(batches.back().end(), batch.labels.begin(), batch.labels.end());
      });
    }
    return batches;
  }

  static std::vector<float> Labels(const std::vector<std::vector<float>>& batches) {
    std::vector<float> labels;
    for (const auto& batch : batches)
      labels.insert(labels.end(), batch.end() - kBatch, batch.end());
    return labels;
  }

  RecordBatchOptions options_;
};
CREMA_ON_BOTH_BACKENDS(RecordBatchesTest);

TEST_P(RecordBatchesTest, BatchesAreTheSameForAnyNumberOfThreads) {
  for (bool shuffle : {false, true}) {
    options_.shuffle = shuffle;
    const auto expected = Take(12, 1);
    EXPECT_EQ(Take(12, 2), expected);
    EXPECT_EQ(Take(12, 4), expected);
  }
}

TEST_P(RecordBatchesTest, GoesOnFromAnyPosition) {
  for (bool shuffle : {false, true}) {
    options_.shuffle = shuffle;
    options_.position = 0;
    const auto expected = Take(12);
    options_.position = 7 * kBatch;
    EXPECT_EQ(Take(5, 2), (std::vector<std::vector<float>>(expected.begin() + 7, expected.end())));
  }
}

TEST_P(RecordBatchesTest, OrderAndLabels) {
  std::vector<float> expected;
  for (int i = 0; i < 6 * kBatch; ++i) expected.push_back(static_cast<float>(i % kRecords));
  EXPECT_EQ(Labels(Take(6)), expected);
  options_.shuffle = true;
  std::vector<float> shuffled = Labels(Take(6));
  EXPECT_NE(shuffled, expected);
  shuffled.resize(kRecords);
  EXPECT_EQ(std::set<float>(shuffled.begin(), shuffled.end()).size(), size_t{kRecords});
}

TEST_P(RecordBatchesTest, TheSameRecordIsCutAnewEachTime) {
  const auto batches = Take(kRecords + 1);  // after 5 epochs the same records come again
  EXPECT_EQ(Labels({batches[0]}), Labels({batches[kRecords]}));
  EXPECT_NE(batches[0], batches[kRecords]);
}

TEST_P(RecordBatchesTest, SeedAndKeyChangeTheNumbers) {
  const auto first = Take(2);
  options_.seed = 5;
  EXPECT_NE(Take(2), first);
  options_.seed = 4;
  options_.key = 6;
  EXPECT_NE(Take(2), first);
}

TEST_P(RecordBatchesTest, RandSkipMovesTheStart) {
  options_.rand_skip = 20;
  std::set<float> starts;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    options_.seed = seed;
    const std::vector<float> labels = Labels(Take(2));
    for (size_t i = 1; i < labels.size(); ++i) {
      EXPECT_EQ(labels[i], static_cast<int>(labels[i - 1] + 1) % kRecords);
    }
    EXPECT_LT(labels[0], 20);
    starts.insert(labels[0]);
  }
  EXPECT_GT(starts.size(), 8u);
}

TEST_P(RecordBatchesTest, WarnsWherePixelsHaveTheirColours) {
  for (const char* option : {"force_color", "force_gray"}) {
    testing::internal::CaptureStderr();
    SetTransform(std::string(option) + ": true");
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_NE(log.find(std::string(option) + " has no effect"), std::string::npos) << log;
  }
  testing::internal::CaptureStderr();
  SetTransform("");
  EXPECT_EQ(testing::internal::GetCapturedStderr().find("no effect"), std::string::npos);
}

TEST_P(RecordBatchesTest, ARecordOfAnotherSizeIsAnError) {
  std::vector<proto::Datum> datums;
  for (int i = 0; i < 12; ++i) datums.push_back(TestDatum(i, 3, 8, i == 7 ? 10 : 9));
  WriteDatums(backend(), temp_ / "odd", datums);
  options_.source = OpenRecordSource(backend(), temp_ / "odd");
  Take(4);  // the crop makes them equal
  SetTransform("");
  for (int threads : {1, 3}) {
    options_.workers = threads;
    Prefetcher prefetcher(MakeRecordBatches(options_), 4, threads);
    prefetcher.Take([](const Batch&) {});
    ExpectError([&] { prefetcher.Take([](const Batch&) {}); },
                {"layer 'data' (Data)", "odd", "record 7 (key '00000007')", "3 x 8 x 10",
                 "3 x 8 x 9", "crop_size"});
  }
}

}  // namespace
}  // namespace crema::test
