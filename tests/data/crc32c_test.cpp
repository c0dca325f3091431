#include "data/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace crema::test {
namespace {

// Bit by bit.
uint32_t Slow(const std::string& bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
  }
  return ~crc;
}

TEST(Crc32cTest, KnowsThePublishedValues) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32cTest, EveryLengthAndEveryPart) {
  std::string bytes;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Crc32c(bytes), Slow(bytes)) << i;
    EXPECT_EQ(Crc32cByTables(bytes), Slow(bytes)) << i;
    const size_t half = bytes.size() / 3;
    EXPECT_EQ(Crc32c(bytes.substr(half), Crc32c(bytes.substr(0, half))), Slow(bytes)) << i;
    bytes += static_cast<char>(i * 37 + 11);
  }
}

}  // namespace
}  // namespace crema::test
