// Reads the B+ tree of an LMDB file, and believes nothing that the file says.
//
// The lmdb library takes what is on a page for granted: a page of zeros in the middle of a file
// (a copy that was interrupted, a bad disk) makes it crash. Here each page is checked when a
// cursor comes to it. The library also tells writers which snapshot is in use; here a change of the
// file ends reading.
//
// A walk through all records checks all pages that lead to a value. A shuffled reader notes on such
// a walk where each value is, and then reads the value alone. That is right as long as the file's
// stamp stays what it was; if it does not, each search checks its pages again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/data_file.h"
#include "data/lmdb_meta.h"
#include "data/record_source.h"
#include "data/scratch_bytes.h"

namespace crema {

// A snapshot of a tree. Plain data; the file belongs to somebody else.
struct LmdbTree {
  const DataFile* file;  // holds all pages up to last_page
  LmdbMeta meta;
};

// A place in a tree, which outlives it.
class LmdbTreeCursor : public RecordCursor {
 public:
  explicit LmdbTreeCursor(const LmdbTree* tree);

  bool First() override;
  bool Next() override;
  bool Find(std::string_view key) override;
  std::string_view key() const override;
  std::string_view value() const override;
  void CopyValue(std::string* to) const override;
  void Verify() override;
  RecordPlace place() const override;
  void ReadAt(const RecordPlace& place, std::string* value) override;
  bool IsAsListed() override;

 private:
  using PageCopy = std::vector<char>;
  // A page that has been checked, and which of its nodes the cursor is at.
  struct Level {
    uint64_t number = ~uint64_t{0};
    std::shared_ptr<const PageCopy> copy;  // null: in leaf_page_
    const char* page = nullptr;
    int index = 0;
  };

  [[noreturn]] void Damaged(const std::string& what) const;
  uint64_t Offset(uint64_t number) const;
  void CheckPage(uint64_t number, const char* page, bool leaf) const;
  void CheckNode(uint64_t number, const char* page, int index, bool leaf) const;
  void CheckReads() const;
  const char* ReadInto(ScratchBytes* buffer, uint64_t offset, size_t count) const;
  void LoadPage(uint64_t number, bool leaf, Level* level);
  uint64_t BigValueAt(uint64_t first, uint64_t size) const;
  void CheckBigValue(uint64_t first, const char* header) const;
  void Enter(uint64_t number);
  void DescendLeft();
  bool IsEmpty() const;
  bool Arrive();
  void CountRecord();
  int depth() const { return tree_->meta.depth; }
  const Level& leaf() const { return levels_[used_ - 1]; }

  const LmdbTree* tree_;
  mutable FileWindow window_;
  mutable uint64_t checked_reads_ = 0;  // of the window, since which nobody has changed the file
  // Unless it goes on from First: pages and values are read one by one, and checked by Verify.
  bool jumps_ = true;
  mutable bool is_unverified_ = false;
  ScratchBytes leaf_page_;
  mutable ScratchBytes big_value_;
  // Branches that were read before, and leaves with many records: all ways lead through few of
  // them. By number, times 2, plus 1 for a leaf.
  std::unordered_map<uint64_t, std::shared_ptr<const PageCopy>> pages_;
  std::vector<Level> levels_;  // from the root to a leaf
  int used_ = 0;               // how many levels the cursor is at; 0: at no record
  // Records given since First, and the last one's key; finds trees that repeat themselves and
  // trees that end early.
  uint64_t given_ = 0;
  std::string last_key_;
};

}  // namespace crema
