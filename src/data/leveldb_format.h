// What the files of a LevelDB have in common.
#pragma once

#include <cstdint>
#include <string_view>

namespace crema {

// Takes numbers and texts off the front of bytes. Each function returns false where the bytes end
// too early or hold no such thing.
class LevelDbParser {
 public:
  explicit LevelDbParser(std::string_view rest) : rest_(rest) {}

  bool Fixed32(uint64_t* number) { return Fixed(4, number); }
  bool Fixed64(uint64_t* number) { return Fixed(8, number); }
  // Seven bits a byte, the lowest first; the top bit says that more follow.
  bool Varint(uint64_t* number);
  bool Varint32(uint64_t* number) { return Varint(number) && *number <= UINT32_MAX; }
  // A size and as many bytes.
  bool Text(std::string_view* text);
  bool Bytes(uint64_t count, std::string_view* bytes);

  std::string_view rest() const { return rest_; }

 private:
  bool Fixed(size_t bytes, uint64_t* number);

  std::string_view rest_;
};

// Whether `stored` is the checksum of `bytes`. Files hold checksums changed a little, so that one
// of bytes that hold a checksum is good, too.
bool LevelDbChecksumFits(uint64_t stored, std::string_view bytes);

// A key in a table is the user's key and 8 bytes: a number that grows with each change of the
// database, and whether the change stored a value.
struct LevelDbKey {
  static constexpr size_t kTailBytes = 8;
  static constexpr uint64_t kDeleted = 0, kStored = 1;
  static constexpr uint64_t kMostSequence = (uint64_t{1} << 56) - 1;

  std::string_view user;
  uint64_t sequence = 0, kind = kStored;

  // Returns false where `bytes` are no such key.
  bool Parse(std::string_view bytes);
};

// Below, at or above 0 where `a` comes before, at or after `b`. Of changes of one key the later
// one comes first.
int Compare(const LevelDbKey& a, const LevelDbKey& b);

}  // namespace crema
