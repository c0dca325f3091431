#include "data/snappy.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace crema::test {
namespace {

// The result, or "damaged".
std::string Unpack(const std::string& packed) {
  ScratchBytes buffer;
  std::string_view unpacked;
  // Exactly as large as it is, so that AddressSanitizer sees what lies beyond.
  const std::vector<char> exact(packed.begin(), packed.end());
  if (!Unsnap({exact.data(), exact.size()}, &buffer, &unpacked)) return "damaged";
  return std::string(unpacked);
}

std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text += static_cast<char>(byte);
  return text;
}

TEST(SnappyTest, UnpacksLiterals) {
  EXPECT_EQ(Unpack(Bytes({0})), "");
  EXPECT_EQ(Unpack(Bytes({3, 2 << 2, 'a', 'b', 'c'})), "abc");
  const std::string longer(70, 'x'), longest(300, 'y');
  EXPECT_EQ(Unpack(Bytes({70, 60 << 2, 69}) + longer), longer);
  EXPECT_EQ(Unpack(Bytes({0xAC, 2, 61 << 2, 43, 1}) + longest), longest);
  EXPECT_EQ(Unpack(Bytes({0xAC, 2, 63 << 2, 43, 1, 0, 0}) + longest), longest);
}

TEST(SnappyTest, UnpacksCopies) {
  // From 3 back, 6 bytes: the copy reads what it has just written.
  EXPECT_EQ(Unpack(Bytes({9, 2 << 2, 'a', 'b', 'c', 1 | 2 << 2, 3})), "abcabcabc");
  EXPECT_EQ(Unpack(Bytes({9, 2 << 2, 'a', 'b', 'c', 2 | 5 << 2, 3, 0})), "abcabcabc");
  EXPECT_EQ(Unpack(Bytes({9, 2 << 2, 'a', 'b', 'c', 3 | 5 << 2, 3, 0, 0, 0})), "abcabcabc");
  // From far back, with room for copies of 16 bytes and without.
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * i % 251);
  const std::string start = Bytes({61 << 2, 43, 1}) + text;
  EXPECT_EQ(Unpack(Bytes({0xDD, 2}) + start + Bytes({2 | 48 << 2, 44, 1})),
            text + text.substr(0, 49));
  EXPECT_EQ(Unpack(Bytes({0x82, 3}) + start +
                   Bytes({2 | 63 << 2, 44, 1, 1 | 5 << 2, 17, 1 << 2, '1', '2', 2 | 8 << 2, 200, 0,
                          1 << 2, '3', '4'}))
                .size(),
            386u);
}

// Copies of what they have just written themselves, with and without room behind them.
TEST(SnappyTest, RepeatsShortPatterns) {
  for (int distance = 1; distance <= 20; ++distance) {
    for (int length = 1; length <= 64; ++length) {
      for (const int behind : {0, 40}) {
        std::string text;
        for (int i = 0; i < distance; ++i) text += static_cast<char>('a' + i);
        const std::string start = Bytes({(distance - 1) << 2}) + text;
        for (int i = 0; i < length; ++i) text += text[text.size() - static_cast<size_t>(distance)];
        std::string packed = start + Bytes({2 | (length - 1) << 2, distance, 0});
        if (behind > 0) packed += Bytes({(behind - 1) << 2}) + std::string(behind, 'z');
        text.append(static_cast<size_t>(behind), 'z');
        const std::string size = Bytes({static_cast<int>(text.size())});  // below 128
        ASSERT_EQ(Unpack(size + packed), text) << distance << " " << length;
      }
    }
  }
}

TEST(SnappyTest, WhatIsDamagedIsRefused) {
  EXPECT_EQ(Unpack(""), "damaged");
  EXPECT_EQ(Unpack(Bytes({0x80})), "damaged");                      // no size
  EXPECT_EQ(Unpack(Bytes({4, 2 << 2, 'a', 'b', 'c'})), "damaged");  // too little
  EXPECT_EQ(Unpack(Bytes({2, 2 << 2, 'a', 'b', 'c'})), "damaged");  // too much
  EXPECT_EQ(Unpack(Bytes({3, 2 << 2, 'a', 'b'})), "damaged");       // cut off
  EXPECT_EQ(Unpack(Bytes({9, 61 << 2, 1})), "damaged");             // no length
  EXPECT_EQ(Unpack(Bytes({5, 0, 'a', 1, 0})), "damaged");           // from 0 back
  EXPECT_EQ(Unpack(Bytes({5, 0, 'a', 1, 2})), "damaged");           // from before the start
  EXPECT_EQ(Unpack(Bytes({3, 0, 'a', 1, 1})), "damaged");           // beyond the end
  EXPECT_EQ(Unpack(Bytes({0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 'a'})), "damaged");  // 4 GB of 2 bytes
}

TEST(SnappyTest, NoDamageGetsThrough) {
  std::mt19937 random(5);
  for (int round = 0; round < 20000; ++round) {
    std::string packed(1 + random() % 60, '\0');
    for (char& c : packed) c = static_cast<char>(random() % (round % 2 == 0 ? 256 : 16));
    packed[0] = static_cast<char>(random() % 128);
    const std::string unpacked = Unpack(packed);
    EXPECT_TRUE(unpacked == "damaged" || unpacked.size() == static_cast<size_t>(packed[0]));
  }
}

}  // namespace
}  // namespace crema::test
