// Reads the B+ tree of an LMDB file in memory, and believes nothing that the file says.
//
// The lmdb library takes what is on a page for granted: a page of zeros in the middle of a file
// (a copy that was interrupted, a bad disk) makes it crash. Here each page is checked when a
// cursor comes to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/record_source.h"

namespace crema {

// A meta page, of which a file has two at its start: what is needed of it, as LMDB 0.9 lays it out
// on 64-bit machines.
struct LmdbMeta {
  uint32_t magic;
  uint32_t page_size;
  uint16_t flags, depth;  // of the tree with the records
  uint64_t entries;
  uint64_t root;  // a page number
  uint64_t last_page;
  uint64_t transaction;  // the meta page with the higher number counts

  static constexpr size_t kBytes = 152;
  static constexpr uint32_t kMagic = 0xBEEFC0DE;
  // `bytes` are the first kBytes of the page.
  static LmdbMeta Parse(const char* bytes);
};

// A snapshot of a tree. Plain data; the memory belongs to somebody else.
struct LmdbTree {
  const char* memory;  // all pages up to last_page
  LmdbMeta meta;
  std::string title;  // names the database in errors
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

 private:
  // A page that has been checked, and which of its nodes the cursor is at.
  struct Level {
    const char* page;
    int index;
  };

  [[noreturn]] void Damaged(const std::string& what) const;
  const char* Page(uint64_t number) const;
  const char* CheckedPage(uint64_t number, bool leaf) const;
  void CheckNode(uint64_t number, const char* page, int index, bool leaf) const;
  void Enter(uint64_t number);
  void DescendLeft();
  void CountRecord();
  int depth() const { return tree_->meta.depth; }

  const LmdbTree* tree_;
  std::vector<Level> path_;  // from the root to a leaf; empty: at no record
  // Records given since First; finds trees with loops and trees that end early.
  uint64_t given_ = 0;
  bool counting_ = false;
};

}  // namespace crema
