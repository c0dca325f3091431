#include "data/crc32c.h"

#include <array>
#include <cstddef>

namespace crema {
namespace {

constexpr size_t kAtOnce = 16;
constexpr uint32_t kPolynomial = 0x82F63B78;  // bits in reverse

// Row k tells what a byte adds to the checksum if k more bytes follow it.
using Tables = std::array<std::array<uint32_t, 256>, kAtOnce>;

Tables MakeTables() {
  Tables tables;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < kAtOnce; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  bytes.remove_prefix(Crc32cByInstructions(bytes, &crc));
  return Crc32cByTables(bytes, crc);
}

uint32_t Crc32cByTables(std::string_view bytes, uint32_t crc) {
  static const Tables& tables = *new Tables(MakeTables());
  const auto* in = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  crc = ~crc;
  for (; left >= kAtOnce; left -= kAtOnce, in += kAtOnce) {
    uint32_t next = 0;
    for (size_t i = 0; i < kAtOnce; ++i) {
      const uint32_t byte = i < 4 ? in[i] ^ (crc >> 8 * i & 0xFF) : in[i];
      next ^= tables[kAtOnce - 1 - i][byte];
    }
    crc = next;
  }
  for (; left > 0; --left, ++in) crc = crc >> 8 ^ tables[0][(crc ^ *in) & 0xFF];
  return ~crc;
}

}  // namespace crema
