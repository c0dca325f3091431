#include "data/leveldb_format.h"

#include "data/crc32c.h"

namespace crema {

bool LevelDbParser::Fixed(size_t bytes, uint64_t* number) {
  std::string_view taken;
  if (!Bytes(bytes, &taken)) return false;
  *number = 0;
  for (size_t i = 0; i < bytes; ++i) {
    *number |= uint64_t{static_cast<unsigned char>(taken[i])} << 8 * i;
  }
  return true;
}

bool LevelDbParser::Varint(uint64_t* number) {
  *number = 0;
  for (size_t i = 0; i < 10 && i < rest_.size(); ++i) {
    const auto byte = static_cast<unsigned char>(rest_[i]);
    *number |= uint64_t{byte & 0x7Fu} << 7 * i;
    if ((byte & 0x80) != 0) continue;
    rest_.remove_prefix(i + 1);
    return true;
  }
  return false;
}

bool LevelDbParser::Text(std::string_view* text) {
  uint64_t size;
  return Varint32(&size) && Bytes(size, text);
}

bool LevelDbParser::Bytes(uint64_t count, std::string_view* bytes) {
  if (count > rest_.size()) return false;
  *bytes = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return true;
}

bool LevelDbChecksumFits(uint64_t stored, std::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return stored == static_cast<uint32_t>((crc >> 15 | crc << 17) + 0xA282EAD8u);
}

bool LevelDbKey::Parse(std::string_view bytes) {
  if (bytes.size() < kTailBytes) return false;
  user = bytes.substr(0, bytes.size() - kTailBytes);
  uint64_t tail;
  if (!LevelDbParser(bytes.substr(user.size())).Fixed64(&tail)) return false;
  sequence = tail >> 8;
  kind = tail & 0xFF;
  return kind == kDeleted || kind == kStored;
}

int Compare(const LevelDbKey& a, const LevelDbKey& b) {
  if (const int order = a.user.compare(b.user)) return order;
  const uint64_t a_tail = a.sequence << 8 | a.kind, b_tail = b.sequence << 8 | b.kind;
  return a_tail == b_tail ? 0 : a_tail > b_tail ? -1 : 1;
}

}  // namespace crema
