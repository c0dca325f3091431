#include "base/printable.h"

#include <gtest/gtest.h>

namespace crema::test {
namespace {

TEST(PrintableTest, KeepsLetters) {
  const std::string text = "conv1/3x3 a\\b \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  EXPECT_EQ(Printable(text), text);
  EXPECT_EQ(Printable(""), "");
}

TEST(PrintableTest, EscapesControlCharacters) {
  EXPECT_EQ(Printable("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(Printable(std::string_view("\0\r\n\t\x7f", 5)), "\\x00\\x0d\\x0a\\x09\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b");  // ESC [ in one
}

TEST(PrintableTest, EscapesWhatIsNoUtf8) {
  EXPECT_EQ(Printable("\xe9t\xff"), "\\xe9t\\xff");
  EXPECT_EQ(Printable("\xe2\x82"), "\\xe2\\x82");           // cut off
  EXPECT_EQ(Printable("\xc0\x9b"), "\\xc0\\x9b");           // too long
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // half a pair
}

TEST(PrintableTest, EscapesWhatTurnsTheDirectionAndWhatXmlDoesNotKnow) {
  EXPECT_EQ(Printable("\xe2\x80\xae"), "\\xe2\\x80\\xae");           // U+202E
  EXPECT_EQ(Printable("\xe2\x81\xa7"), "\\xe2\\x81\\xa7");           // U+2067
  EXPECT_EQ(Printable("\xd8\x9c"), "\\xd8\\x9c");                    // U+061C
  EXPECT_EQ(Printable("\xef\xbf\xbf"), "\\xef\\xbf\\xbf");           // U+FFFF
  EXPECT_EQ(Printable("\xf0\x9f\xbf\xbe"), "\\xf0\\x9f\\xbf\\xbe");  // U+1FFFE
  EXPECT_EQ(Printable("\xef\xbf\xbd"), "\xef\xbf\xbd");              // U+FFFD
}

TEST(PrintableTest, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(Printable("abc", 3), "abc");
  EXPECT_EQ(Printable("abcd", 3), "abc...");
  EXPECT_EQ(Printable("ab\xc3\xa9q", 3), "ab\xc3\xa9...");
  EXPECT_EQ(Printable(std::string(100, 'a')), std::string(60, 'a') + "...");
  EXPECT_EQ(Printable(std::string(100, 'a'), kWholeText), std::string(100, 'a'));
}

TEST(PrintableTest, LinesKeepTheirEndsAndTabs) {
  EXPECT_EQ(PrintableLines("a\tb\nc\r\n\x1b"), "a\tb\nc\\x0d\n\\x1b");
}

}  // namespace
}  // namespace crema::test
