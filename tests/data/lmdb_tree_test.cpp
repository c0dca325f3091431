#include "data/lmdb_tree.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "data/databases.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

constexpr size_t kPage = 4096;

// The file of a database with three levels, small values in its leaves and large ones on pages of
// their own.
std::string MakeFile() {
  const TempFolder temp;
  RecordWriter writer(Backend::kLmdb, temp / "db");
  for (int i = 0; i < 1200; ++i) {
    const size_t size = i % 100 == 0 ? (i % 200 == 0 ? 9000 : 40000) : 20;
    writer.Put(TestKey(i) + std::string(150, 'k'), std::string(size, static_cast<char>(i)));
  }
  writer.Finish();
  return ReadAll(temp / "db/data.mdb");
}

// A tree over bytes, which are in a file in memory.
class File {
 public:
  explicit File(const std::string& bytes)
      : file_(InMemory(bytes), "data.mdb", "LMDB 'x'"), tree_{&file_, LatestLmdbMeta(file_)} {}
  const LmdbTree& tree() const { return tree_; }
  LmdbMeta* meta() { return &tree_.meta; }

  // The number of records; touches every byte of every value.
  uint64_t Scan() const {
    LmdbTreeCursor cursor(&tree_);
    uint64_t records = 0, sum = 0;
    std::string copy;
    for (bool more = cursor.First(); more; more = cursor.Next()) {
      cursor.CopyValue(&copy);
      EXPECT_EQ(copy, cursor.value());
      for (char c : cursor.value()) sum += static_cast<unsigned char>(c);
      for (char c : cursor.key()) sum += static_cast<unsigned char>(c);
      ++records;
    }
    EXPECT_GT(sum + 1, 0u);
    return records;
  }

 private:
  static int InMemory(const std::string& bytes) {
    const int number = memfd_create("lmdb", MFD_CLOEXEC);
    EXPECT_EQ(write(number, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    return number;
  }

  DataFile file_;
  LmdbTree tree_;
};

class LmdbTreeTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { file_ = new std::string(MakeFile()); }
  static void TearDownTestSuite() { delete file_; }
  static std::string* file_;
};
std::string* LmdbTreeTest::file_ = nullptr;

TEST_F(LmdbTreeTest, ReadsAllLevels) {
  const File file(*file_);
  EXPECT_EQ(file.tree().meta.page_size, kPage);
  EXPECT_GE(file.tree().meta.depth, 3);
  EXPECT_EQ(file.tree().meta.entries, 1200u);
  EXPECT_EQ(file.Scan(), 1200u);
  LmdbTreeCursor cursor(&file.tree());
  for (int i = 0; i < 1200; ++i) {
    const std::string key = TestKey(i) + std::string(150, 'k');
    ASSERT_TRUE(cursor.Find(key));
    ASSERT_EQ(cursor.value(),
              std::string(i % 100 == 0 ? (i % 200 == 0 ? 9000 : 40000) : 20, static_cast<char>(i)));
    ASSERT_FALSE(cursor.Find(key + "x"));
    ASSERT_FALSE(cursor.Find(TestKey(i)));
  }
  EXPECT_FALSE(cursor.Find(""));
  EXPECT_FALSE(cursor.Find("z"));
  cursor.Verify();
}

TEST_F(LmdbTreeTest, ReadsValuesAtTheirPlaces) {
  const File file(*file_);
  LmdbTreeCursor cursor(&file.tree());
  std::vector<std::pair<RecordPlace, std::string>> values;
  for (bool more = cursor.First(); more; more = cursor.Next()) {
    values.emplace_back(cursor.place(), cursor.value());
  }
  std::mt19937 random(3);
  std::shuffle(values.begin(), values.end(), random);
  LmdbTreeCursor other(&file.tree());
  std::string value;
  for (const auto& [place, expected] : values) {
    ASSERT_TRUE(place.is_known());
    other.ReadAt(place, &value);
    ASSERT_EQ(value, expected);
  }
  EXPECT_TRUE(other.IsAsListed());
}

// Searches and steps share pages; whatever is in memory, each gives the record that it should.
TEST_F(LmdbTreeTest, SearchesAndStepsMix) {
  const File file(*file_);
  LmdbTreeCursor cursor(&file.tree());
  const auto key = [](int i) { return TestKey(i) + std::string(150, 'k'); };
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    int i = 0;
    if (round % 7 == 0) {
      ASSERT_TRUE(cursor.First());
    } else {
      i = static_cast<int>(random() % 1200);
      ASSERT_TRUE(cursor.Find(key(i)));
    }
    for (int steps = static_cast<int>(random() % 60); steps > 0; --steps) {
      ASSERT_EQ(cursor.key(), key(i));
      ASSERT_EQ(cursor.value().front(), static_cast<char>(i));
      ASSERT_EQ(cursor.Next(), i + 1 < 1200);
      if (++i == 1200) break;
    }
  }
}

// What an interrupted copy leaves.
TEST_F(LmdbTreeTest, APageOfZerosIsAnError) {
  int errors = 0;
  const size_t pages = file_->size() / kPage;
  for (size_t page = 2; page < pages; ++page) {
    std::string bytes = *file_;
    bytes.replace(page * kPage, kPage, std::string(kPage, '\0'));
    const File file(bytes);
    try {
      EXPECT_EQ(file.Scan(), 1200u) << page;  // a page that is free, or the middle of a value
    } catch (const Error& error) {
      ++errors;
      EXPECT_NE(std::string(error.what()).find(Concat("page ", page, " is invalid")),
                std::string::npos)
          << error.what();
    }
  }
  EXPECT_GT(errors, 70);
}

TEST_F(LmdbTreeTest, NoDamageGetsThrough) {
  std::mt19937 random(3);
  const size_t pages = file_->size() / kPage;
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = *file_;
    for (int i = 0; i < 3; ++i) {
      // Mostly headers, pointers and nodes, where damage is worst.
      const size_t page = 2 + random() % (pages - 2), range = i == 0 ? 24 : kPage;
      bytes[page * kPage + random() % range] = static_cast<char>(random());
    }
    const File file(bytes);
    try {
      EXPECT_EQ(file.Scan(), 1200u);
      LmdbTreeCursor cursor(&file.tree());
      if (cursor.Find(TestKey(700) + std::string(150, 'k'))) {
        EXPECT_LE(cursor.value().size(), file_->size());
      }
    } catch (const Error&) {
    }
  }
}

TEST_F(LmdbTreeTest, DamageOfTheMetaPageIsAnError) {
  const auto fails = [&](const std::function<void(LmdbMeta*)>& damage, const std::string& part) {
    File file(*file_);
    damage(file.meta());
    ExpectError([&] { file.Scan(); }, {"LMDB 'x' could not be read", part});
  };
  fails([](LmdbMeta* meta) { meta->entries += 1; }, "1200 of its 1201 records");
  fails([](LmdbMeta* meta) { meta->entries -= 1; }, "more records than the 1199");
  fails([](LmdbMeta* meta) { meta->root = meta->last_page + 1; }, "refers to page");
  fails([](LmdbMeta* meta) { meta->depth += 1; }, "is invalid");
  fails([](LmdbMeta* meta) { meta->depth -= 1; }, "is invalid");
  fails([](LmdbMeta* meta) { meta->depth = 60000; }, "60000 levels");
  fails([](LmdbMeta* meta) { meta->flags = 4; }, "which Caffe's databases never have");
}

// A branch whose children are all the branch's first child: the same records again and again.
TEST_F(LmdbTreeTest, ATreeThatRepeatsItselfEnds) {
  std::string bytes = *file_;
  const LmdbMeta meta = File(bytes).tree().meta;
  char* root = &bytes[meta.root * kPage];
  const auto node = [&](int i) {
    uint16_t offset;
    std::memcpy(&offset, root + 16 + 2 * i, 2);
    return root + offset;
  };
  uint16_t lower;
  std::memcpy(&lower, root + 12, 2);
  ASSERT_GT(lower, 18);
  for (int i = 1; i < (lower - 16) / 2; ++i) std::memcpy(node(i), node(0), 6);
  File file(bytes);
  ExpectError([&] { file.Scan(); }, {"damaged", "not in order"});
}

// As many records as a small file has no room for: a shuffle would note the key of each.
TEST_F(LmdbTreeTest, MoreRecordsThanTheFileHasRoomForAreAnError) {
  File file(*file_);
  file.meta()->entries = uint64_t{30} << 30;
  ExpectError([&] { file.Scan(); }, {"claims to have 32212254720 records", "have room for"});
}

}  // namespace
}  // namespace crema::test
