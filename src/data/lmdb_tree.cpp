// A page begins with its number (8 bytes), two unused bytes, flags (2), and the limits of the free
// space between the node pointers that follow and the nodes at the page's end (2 + 2). A node is
// four 16-bit words, the key, and in a leaf the value. In a branch the words hold the child's page
// number (48 bits) and the key's size; in a leaf the value's size (32 bits), flags and the key's
// size. A value that is too large for a leaf is replaced by the number of the first of its own
// pages.
#include "data/lmdb_tree.h"

#include <cstring>

#include "crema/base/error.h"

namespace crema {
namespace {

constexpr uint32_t kPageHeader = 16, kNodeHeader = 8;
constexpr uint16_t kBranch = 0x01, kLeaf = 0x02, kOverflow = 0x04, kKindMask = 0x6F;
constexpr uint16_t kBigValue = 0x01;
constexpr uint64_t kNoPage = ~uint64_t{0};
constexpr int kMaxDepth = 32;

template <class T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

uint16_t PageFlags(const char* page) { return Load<uint16_t>(page + 10); }
uint32_t Lower(const char* page) { return Load<uint16_t>(page + 12); }
uint32_t Upper(const char* page) { return Load<uint16_t>(page + 14); }
int NodeCount(const char* page) { return static_cast<int>((Lower(page) - kPageHeader) / 2); }
uint32_t NodeOffset(const char* page, int index) {
  return Load<uint16_t>(page + kPageHeader + 2 * index);
}
const char* Node(const char* page, int index) { return page + NodeOffset(page, index); }

uint32_t ValueSize(const char* node) { return Load<uint32_t>(node); }
uint16_t NodeFlags(const char* node) { return Load<uint16_t>(node + 4); }
uint64_t Child(const char* node) { return ValueSize(node) | uint64_t{NodeFlags(node)} << 32; }
uint32_t KeySize(const char* node) { return Load<uint16_t>(node + 6); }
std::string_view Key(const char* node) { return {node + kNodeHeader, KeySize(node)}; }
const char* ValueAt(const char* node) { return node + kNodeHeader + KeySize(node); }

// The last node whose key is at most `key`. A branch's first key counts as the lowest of all.
int ChildFor(const char* page, std::string_view key) {
  int low = 0, high = NodeCount(page);  // the answer is in [low, high)
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    (Key(Node(page, middle)) <= key ? low : high) = middle;
  }
  return low;
}

}  // namespace

LmdbMeta LmdbMeta::Parse(const char* bytes) {
  LmdbMeta meta;
  meta.magic = Load<uint32_t>(bytes + 16);
  meta.page_size = Load<uint32_t>(bytes + 40);
  meta.flags = Load<uint16_t>(bytes + 92);
  meta.depth = Load<uint16_t>(bytes + 94);
  meta.entries = Load<uint64_t>(bytes + 120);
  meta.root = Load<uint64_t>(bytes + 128);
  meta.last_page = Load<uint64_t>(bytes + 136);
  meta.transaction = Load<uint64_t>(bytes + 144);
  return meta;
}

LmdbTreeCursor::LmdbTreeCursor(const LmdbTree* tree) : tree_(tree) {
  if (tree_->meta.flags != 0) {
    FailDatabase(tree_->title, "read",
                 "its keys are numbers or repeat, which Caffe's databases never have; convert it");
  }
  if (depth() > kMaxDepth) Damaged(Concat("its tree claims to be ", depth(), " levels deep"));
}

void LmdbTreeCursor::Damaged(const std::string& what) const {
  FailDatabase(tree_->title, "read",
               "data.mdb is damaged: " + what + "; copy it again or recreate it");
}

const char* LmdbTreeCursor::Page(uint64_t number) const {
  if (number > tree_->meta.last_page) {
    Damaged(Concat("it refers to page ", number, " of ", tree_->meta.last_page + 1));
  }
  const char* page = tree_->memory + number * tree_->meta.page_size;
  if (Load<uint64_t>(page) != number) Damaged(Concat("page ", number, " is invalid"));
  return page;
}

const char* LmdbTreeCursor::CheckedPage(uint64_t number, bool leaf) const {
  const char* page = Page(number);
  const bool right_kind = (PageFlags(page) & kKindMask) == (leaf ? kLeaf : kBranch);
  const uint32_t lower = Lower(page), upper = Upper(page);
  if (!right_kind || lower < kPageHeader + 2 || lower > upper || upper > tree_->meta.page_size) {
    Damaged(Concat("page ", number, " is invalid"));
  }
  for (int i = 0; i < NodeCount(page); ++i) CheckNode(number, page, i, leaf);
  return page;
}

void LmdbTreeCursor::CheckNode(uint64_t number, const char* page, int index, bool leaf) const {
  const uint64_t page_size = tree_->meta.page_size, offset = NodeOffset(page, index);
  bool good = offset >= Upper(page) && offset + kNodeHeader <= page_size;
  if (good) {
    const char* node = page + offset;
    uint64_t end = offset + kNodeHeader + KeySize(node);
    if (leaf) {
      if ((NodeFlags(node) & ~kBigValue) != 0) {
        FailDatabase(tree_->title, "read",
                     "it is damaged, or contains databases within the database, which Caffe does "
                     "not make; recreate or convert it");
      }
      end += NodeFlags(node) & kBigValue ? sizeof(uint64_t) : ValueSize(node);
    }
    good = end <= page_size;
  }
  if (!good) Damaged(Concat("page ", number, " is invalid"));
}

void LmdbTreeCursor::Enter(uint64_t number) {
  const bool leaf = static_cast<int>(path_.size()) + 1 == depth();
  path_.push_back({CheckedPage(number, leaf), 0});
}

// From the end of path_ to the first record below it.
void LmdbTreeCursor::DescendLeft() {
  while (static_cast<int>(path_.size()) < depth()) {
    Enter(Child(Node(path_.back().page, path_.back().index)));
  }
}

void LmdbTreeCursor::CountRecord() {
  if (counting_ && ++given_ > tree_->meta.entries) {
    Damaged(Concat("it has more records than the ", tree_->meta.entries, " it claims"));
  }
}

bool LmdbTreeCursor::First() {
  path_.clear();
  given_ = 0;
  counting_ = true;
  if (tree_->meta.root == kNoPage || depth() == 0) return false;
  Enter(tree_->meta.root);
  DescendLeft();
  CountRecord();
  return true;
}

bool LmdbTreeCursor::Next() {
  while (!path_.empty() && path_.back().index + 1 == NodeCount(path_.back().page)) path_.pop_back();
  if (path_.empty()) {
    if (counting_ && given_ != tree_->meta.entries) {
      Damaged(Concat("only ", given_, " of its ", tree_->meta.entries, " records are there"));
    }
    return false;
  }
  ++path_.back().index;
  DescendLeft();
  CountRecord();
  return true;
}

bool LmdbTreeCursor::Find(std::string_view key) {
  path_.clear();
  counting_ = false;
  if (tree_->meta.root == kNoPage || depth() == 0) return false;
  Enter(tree_->meta.root);
  while (static_cast<int>(path_.size()) < depth()) {
    Level& level = path_.back();
    level.index = ChildFor(level.page, key);
    Enter(Child(Node(level.page, level.index)));
  }
  path_.back().index = ChildFor(path_.back().page, key);
  return this->key() == key;
}

std::string_view LmdbTreeCursor::key() const {
  return Key(Node(path_.back().page, path_.back().index));
}

std::string_view LmdbTreeCursor::value() const {
  const char* node = Node(path_.back().page, path_.back().index);
  const uint64_t size = ValueSize(node);
  if ((NodeFlags(node) & kBigValue) == 0) return {ValueAt(node), size};
  const uint64_t first = Load<uint64_t>(ValueAt(node));
  const char* page = Page(first);
  const uint64_t pages_left = tree_->meta.last_page - first + 1;
  if ((PageFlags(page) & kKindMask) != kOverflow ||
      kPageHeader + size > pages_left * tree_->meta.page_size) {
    Damaged(Concat("page ", first, " is invalid"));
  }
  return {page + kPageHeader, size};
}

}  // namespace crema
