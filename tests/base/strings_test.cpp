#include "base/strings.h"

#include <gtest/gtest.h>

#include "base/counted.h"

namespace crema {
namespace {

TEST(NearestTest, FindsTheWordThatWasMeant) {
  const std::vector<std::string> words = {"Convolution", "Pooling", "InnerProduct"};
  EXPECT_EQ(Nearest("Convolutoin", words), "Convolution");
  EXPECT_EQ(Nearest("Poling", words), "Pooling");
  EXPECT_EQ(Nearest("InnerProducts", words), "InnerProduct");
}

TEST(NearestTest, IgnoresCase) { EXPECT_EQ(Nearest("RELU", {"PReLU", "ReLU"}), "ReLU"); }

TEST(NearestTest, ASwapCountsAsOneSlip) {
  // "ab" -> "ba" is one swap; with two replacements it would be too far for so short a word.
  EXPECT_EQ(Nearest("ba", {"ab"}), "ab");
}

TEST(NearestTest, SaysNothingWhereNothingIsNear) {
  EXPECT_EQ(Nearest("zebra", {"Convolution", "Pooling"}), "");
  EXPECT_EQ(Nearest("x", {}), "");
  EXPECT_EQ(Nearest("", {"abc"}), "");
}

TEST(NearestTest, TheFirstOfEquallyNearWordsWins) {
  EXPECT_EQ(Nearest("conv3", {"conv1", "conv2"}), "conv1");
}

TEST(NearestTest, HostileWordsCostNothing) {
  EXPECT_EQ(Nearest(std::string(1000000, 'a'), {std::string(1000000, 'a')}), "");
}

TEST(StableHashTest, IsFnv1a) {
  EXPECT_EQ(StableHash(""), 0xCBF29CE484222325ull);
  EXPECT_EQ(StableHash("a"), 0xAF63DC4C8601EC8Cull);  // published test vectors
  EXPECT_EQ(StableHash("foobar"), 0x85944171F73967E8ull);
}

TEST(StableHashTest, ReadsBytesAsUnsigned) {
  EXPECT_EQ(StableHash("\xff"), (0xCBF29CE484222325ull ^ 0xFF) * 0x100000001B3ull);
}

TEST(JoinTest, PutsTheSeparatorBetweenParts) {
  EXPECT_EQ(Join({}), "");
  EXPECT_EQ(Join({"a"}), "a");
  EXPECT_EQ(Join({"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(Join({"2", "3"}, "x"), "2x3");
  EXPECT_EQ(Join({"", "b", ""}), ", b, ");
}

TEST(SplitListTest, TrimsAndDropsEmptyParts) {
  const std::vector<std::string> expected = {"a", "b c", "d"};
  EXPECT_EQ(SplitList("a,b c,d"), expected);
  EXPECT_EQ(SplitList(" a ,\tb c\n,, d ,"), expected);
  EXPECT_TRUE(SplitList("").empty());
  EXPECT_TRUE(SplitList(" , ,").empty());
}

TEST(BytesToStringTest, UsesDecimalUnits) {
  EXPECT_EQ(BytesToString(0), "0 B");
  EXPECT_EQ(BytesToString(999), "999 B");
  EXPECT_EQ(BytesToString(1000), "1.0 kB");
  EXPECT_EQ(BytesToString(1540000), "1.5 MB");
  EXPECT_EQ(BytesToString(2.5e9), "2.5 GB");
  EXPECT_EQ(BytesToString(3e15), "3000.0 TB");
}

TEST(BytesToStringTest, RoundsUpIntoTheNextUnit) {
  EXPECT_EQ(BytesToString(999940), "999.9 kB");
  EXPECT_EQ(BytesToString(999960), "1.0 MB");
}

TEST(CountedTest, HasTheRightPlural) {
  EXPECT_EQ(Counted(0, "layer"), "0 layers");
  EXPECT_EQ(Counted(1, "layer"), "1 layer");
  EXPECT_EQ(Counted(size_t{2}, "batch", "batches"), "2 batches");
}

TEST(ToUtf8Test, KeepsUtf8) {
  EXPECT_EQ(ToUtf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
            "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(ToUtf8(""), "");
}

TEST(ToUtf8Test, TakesOtherBytesForLatin1) {
  EXPECT_EQ(ToUtf8("\xe9t\xff"), "\xc3\xa9t\xc3\xbf");
  EXPECT_EQ(ToUtf8("\xe2\x82"), "\xc3\xa2\xc2\x82");  // cut off
}

}  // namespace
}  // namespace crema
