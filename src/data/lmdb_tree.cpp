// A page begins with its number (8 bytes), two unused bytes, flags (2), and the limits of the free
// space between the node pointers that follow and the nodes at the page's end (2 + 2). A node is
// four 16-bit words, the key, and in a leaf the value. In a branch the words hold the child's page
// number (48 bits) and the key's size; in a leaf the value's size (32 bits), flags and the key's
// size. A value that is too large for a leaf is replaced by the number of the first of its own
// pages.
#include "data/lmdb_tree.h"

#include <algorithm>
#include <cstring>

#include "crema/error.h"

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

// Of pages that a cursor keeps, and of how many records a leaf is worth it.
constexpr size_t kMostPageBytes = size_t{32} << 20;
constexpr int kManyRecords = 16;
constexpr uint64_t kLargeValue = 32768;

// What RecordPlace::file says: in a leaf, or on pages of its own from the place on.
enum Room : uint32_t { kInLeaf, kOwnPages };

// A record takes at least a pointer, a header and a key of one byte, which is padded.
constexpr uint64_t kLeastNode = 2 + kNodeHeader + 2;

}  // namespace

LmdbTreeCursor::LmdbTreeCursor(const LmdbTree* tree) : tree_(tree), window_(tree->file) {
  const LmdbMeta& meta = tree_->meta;
  if (meta.flags != 0) {
    FailDatabase(tree_->file->title(), "read",
                 "its keys are numbers or repeat, which Caffe's databases never have; convert it");
  }
  if (depth() > kMaxDepth) Damaged(Concat("its tree claims to be ", depth(), " levels deep"));
  const uint64_t pages = LmdbPagesOf(*tree_->file, meta);
  const uint64_t room = pages * (meta.page_size / kLeastNode);
  if (meta.entries > room) {
    Damaged(Concat("it claims to have ", meta.entries, " records, but its ", pages,
                   " pages have room for ", room));
  }
  levels_.resize(static_cast<size_t>(depth()));
}

// A page that another process has written over may look damaged.
void LmdbTreeCursor::Damaged(const std::string& what) const {
  CheckStillLatest(*tree_->file, tree_->meta);
  tree_->file->Damaged(what);
}

uint64_t LmdbTreeCursor::Offset(uint64_t number) const {
  if (number > tree_->meta.last_page) {
    Damaged(Concat("it refers to page ", number, " of ", tree_->meta.last_page + 1));
  }
  if (number >= LmdbPagesOf(*tree_->file, tree_->meta)) {
    FailTruncatedLmdb(*tree_->file, tree_->meta, number + 1);
  }
  return number * tree_->meta.page_size;
}

void LmdbTreeCursor::CheckPage(uint64_t number, const char* page, bool leaf) const {
  const bool right_kind = (PageFlags(page) & kKindMask) == (leaf ? kLeaf : kBranch);
  const uint32_t lower = Lower(page), upper = Upper(page);
  if (Load<uint64_t>(page) != number || !right_kind || lower < kPageHeader + 2 || lower > upper ||
      upper > tree_->meta.page_size) {
    Damaged(Concat("page ", number, " is invalid"));
  }
  for (int i = 0; i < NodeCount(page); ++i) CheckNode(number, page, i, leaf);
}

void LmdbTreeCursor::CheckNode(uint64_t number, const char* page, int index, bool leaf) const {
  const uint64_t page_size = tree_->meta.page_size, offset = NodeOffset(page, index);
  bool good = offset >= Upper(page) && offset + kNodeHeader <= page_size;
  if (good) {
    const char* node = page + offset;
    uint64_t end = offset + kNodeHeader + KeySize(node);
    if (leaf) {
      if ((NodeFlags(node) & ~kBigValue) != 0) {
        CheckStillLatest(*tree_->file, tree_->meta);
        FailDatabase(tree_->file->title(), "read",
                     "it is damaged, or contains databases within the database, which Caffe does "
                     "not make; recreate or convert it");
      }
      end += NodeFlags(node) & kBigValue ? sizeof(uint64_t) : ValueSize(node);
    }
    good = end <= page_size;
  }
  if (!good) Damaged(Concat("page ", number, " is invalid"));
}

// What was read is right as long as nobody has changed the file until after it was read.
void LmdbTreeCursor::CheckReads() const {
  if (jumps_ || checked_reads_ == window_.reads()) return;
  CheckStillLatest(*tree_->file, tree_->meta);
  checked_reads_ = window_.reads();
}

void LmdbTreeCursor::Verify() {
  if (is_unverified_) CheckStillLatest(*tree_->file, tree_->meta);
  is_unverified_ = false;
}

// Bytes of the file, in `buffer` or in the window.
const char* LmdbTreeCursor::ReadInto(ScratchBytes* buffer, uint64_t offset, size_t count) const {
  if (!jumps_) return window_.Get(offset, count);
  tree_->file->CheckInside(offset, count);
  char* const bytes = buffer->Reserve(count);
  is_unverified_ = true;
  tree_->file->Read(offset, count, bytes);
  return bytes;
}

void LmdbTreeCursor::LoadPage(uint64_t number, bool leaf, Level* level) {
  const uint64_t id = 2 * number + (leaf ? 1 : 0);
  const size_t size = tree_->meta.page_size;
  const auto found = pages_.find(id);
  level->copy = found == pages_.end() ? nullptr : found->second;
  if (level->copy == nullptr) {
    ScratchBytes branch_page;
    ScratchBytes* const buffer = leaf ? &leaf_page_ : &branch_page;
    const char* page = ReadInto(buffer, Offset(number), size);
    CheckPage(number, page, leaf);
    if (leaf && !(jumps_ && NodeCount(page) >= kManyRecords)) {
      if (!jumps_) page = std::copy(page, page + size, leaf_page_.Reserve(size)) - size;
      level->page = page;
      return;
    }
    level->copy = std::make_shared<const PageCopy>(page, page + size);
    if (pages_.size() >= kMostPageBytes / size) pages_.clear();
    pages_.emplace(id, level->copy);
  }
  level->page = level->copy->data();
}

void LmdbTreeCursor::Enter(uint64_t number) {
  Level& level = levels_[static_cast<size_t>(used_)];
  if (level.number != number) {
    level.number = kNoPage;  // if this fails, the page is gone
    LoadPage(number, used_ + 1 == depth(), &level);
    level.number = number;
  }
  level.index = 0;
  ++used_;
}

// From the last level in use to the first record below it.
void LmdbTreeCursor::DescendLeft() {
  while (used_ < depth()) Enter(Child(Node(leaf().page, leaf().index)));
}

bool LmdbTreeCursor::IsEmpty() const { return tree_->meta.root == kNoPage || depth() == 0; }

// The cursor has come to a record.
bool LmdbTreeCursor::Arrive() {
  CheckReads();
  if (!jumps_) CountRecord();
  return true;
}

void LmdbTreeCursor::CountRecord() {
  if (++given_ > tree_->meta.entries) {
    Damaged(Concat("it has more records than the ", tree_->meta.entries, " it claims"));
  }
  if (given_ > 1 && key() <= last_key_) {
    Damaged(Concat("the keys of page ", leaf().number, " are not in order"));
  }
  last_key_ = key();
}

bool LmdbTreeCursor::First() {
  Verify();
  used_ = 0;
  given_ = 0;
  jumps_ = false;
  if (IsEmpty()) return false;
  Enter(tree_->meta.root);
  DescendLeft();
  return Arrive();
}

bool LmdbTreeCursor::Next() {
  while (used_ > 0 && leaf().index + 1 == NodeCount(leaf().page)) --used_;
  if (used_ == 0) {
    if (!jumps_ && given_ != tree_->meta.entries) {
      Damaged(Concat("only ", given_, " of its ", tree_->meta.entries, " records are there"));
    }
    return false;
  }
  ++levels_[static_cast<size_t>(used_ - 1)].index;
  DescendLeft();
  return Arrive();
}

bool LmdbTreeCursor::Find(std::string_view key) {
  used_ = 0;
  jumps_ = true;
  if (IsEmpty()) return false;
  for (uint64_t number = tree_->meta.root;;) {
    Enter(number);
    Level& level = levels_[static_cast<size_t>(used_ - 1)];
    level.index = ChildFor(level.page, key);
    if (used_ == depth()) break;
    number = Child(Node(level.page, level.index));
  }
  return Arrive() && this->key() == key;
}

std::string_view LmdbTreeCursor::key() const { return Key(Node(leaf().page, leaf().index)); }

// Where in the file a value of `size` bytes with pages of its own begins, with its page's header.
uint64_t LmdbTreeCursor::BigValueAt(uint64_t first, uint64_t size) const {
  const uint64_t offset = Offset(first), pages_left = tree_->meta.last_page - first + 1;
  const uint64_t pages = (kPageHeader + size - 1) / tree_->meta.page_size + 1;
  if (pages > pages_left) Damaged(Concat("page ", first, " is invalid"));
  if (offset + kPageHeader + size > tree_->file->size()) {
    FailTruncatedLmdb(*tree_->file, tree_->meta, first + pages);
  }
  return offset;
}

void LmdbTreeCursor::CheckBigValue(uint64_t first, const char* header) const {
  CheckReads();
  if (Load<uint64_t>(header) != first || (PageFlags(header) & kKindMask) != kOverflow) {
    Damaged(Concat("page ", first, " is invalid"));
  }
}

std::string_view LmdbTreeCursor::value() const {
  const char* node = Node(leaf().page, leaf().index);
  const uint64_t size = ValueSize(node);
  if ((NodeFlags(node) & kBigValue) == 0) return {ValueAt(node), size};
  const uint64_t first = Load<uint64_t>(ValueAt(node));
  const char* page = ReadInto(&big_value_, BigValueAt(first, size), kPageHeader + size);
  CheckBigValue(first, page);
  return {page + kPageHeader, size};
}

// A large value goes straight to where it is wanted.
void LmdbTreeCursor::CopyValue(std::string* to) const {
  const char* node = Node(leaf().page, leaf().index);
  const uint64_t size = ValueSize(node);
  if ((NodeFlags(node) & kBigValue) == 0 || size < kLargeValue) {
    to->assign(value());
    return;
  }
  const uint64_t first = Load<uint64_t>(ValueAt(node)), offset = BigValueAt(first, size);
  char header[kPageHeader];
  to->resize(size);
  tree_->file->ReadInTwo(offset, sizeof header, header, size, to->data());
  is_unverified_ = true;
  if (!jumps_) CheckStillLatest(*tree_->file, tree_->meta);
  CheckBigValue(first, header);
}

RecordPlace LmdbTreeCursor::place() const {
  const char* const node = Node(leaf().page, leaf().index);
  RecordPlace place;
  place.size = ValueSize(node);
  if (NodeFlags(node) & kBigValue) {
    place.file = kOwnPages;
    place.offset = BigValueAt(Load<uint64_t>(ValueAt(node)), place.size);
  } else {
    place.file = kInLeaf;
    place.offset = Offset(leaf().number) + static_cast<uint64_t>(ValueAt(node) - leaf().page);
  }
  return place;
}

void LmdbTreeCursor::ReadAt(const RecordPlace& place, std::string* value) {
  is_unverified_ = true;
  value->resize(place.size);
  if (place.file == kInLeaf) {
    tree_->file->Read(place.offset, place.size, value->data());
    return;
  }
  char header[kPageHeader];
  tree_->file->ReadInTwo(place.offset, sizeof header, header, place.size, value->data());
  CheckBigValue(place.offset / tree_->meta.page_size, header);
}

bool LmdbTreeCursor::IsAsListed() {
  if (!is_unverified_) return true;
  Verify();
  return tree_->file->StampNow() == tree_->file->stamp();
}

}  // namespace crema
