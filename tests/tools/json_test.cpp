#include "../tools/plot/json.h"

#include <gtest/gtest.h>

#include <cmath>

namespace crema {
namespace {

TEST(ParseJson, ReadsValues) {
  const auto json = ParseJson(R"( {"a":1, "b":[true,false,null,-2.5e1], "c":{}, "d":"x", "a":2} )");
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->names, (std::vector<std::string>{"a", "b", "c", "d", "a"}));
  EXPECT_EQ(json->Find("a")->number, 2);
  const Json& list = *json->Find("b");
  ASSERT_EQ(list.values.size(), 4u);
  EXPECT_EQ(list.values[0].kind, Json::kBool);
  EXPECT_EQ(list.values[0].number, 1);
  EXPECT_EQ(list.values[2].kind, Json::kNull);
  EXPECT_EQ(list.values[3].number, -25);
  EXPECT_EQ(json->Find("c")->kind, Json::kObject);
  EXPECT_EQ(json->Find("d")->text, "x");
  EXPECT_EQ(json->Find("e"), nullptr);
  EXPECT_EQ(ParseJson("7")->Find("a"), nullptr);
}

TEST(ParseJson, ReadsEscapes) {
  const auto text = [](const std::string& inside) { return ParseJson("\"" + inside + "\"")->text; };
  EXPECT_EQ(text(R"(\"\\\/\b\f\n\r\t)"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(text(R"(\u0041\u00e9\u20ac\ud83d\ude00)"), "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(text(R"(\ud83d)"), "?");
  EXPECT_EQ(text(R"(\ud83d\u0041)"), "?");
  EXPECT_EQ(text(R"(\ude00)"), "?");
  EXPECT_EQ(text("\xC3\xA9"), "\xC3\xA9");
}

TEST(ParseJson, ReadsExtremeNumbers) {
  EXPECT_EQ(ParseJson("1e999")->number, HUGE_VAL);
  EXPECT_EQ(ParseJson("-1e999")->number, -HUGE_VAL);
  EXPECT_EQ(ParseJson("1e-999")->number, 0);
  EXPECT_EQ(ParseJson("0")->number, 0);
}

TEST(ParseJson, RefusesWhatIsNone) {
  for (const char* text :
       {"",     " ",       "{",         "[",          "[1",          "[1,",
        "[1,]", "{\"a\"}", "{\"a\":}",  "{\"a\":1,}", "{a:1}",       "1 2",
        "01",   "+1",      "1.",        ".5",         "1e",          "-",
        "\"",   "\"\\",    "\"\\x\"",   "\"\\u12\"",  "\"\\u12g4\"", "tru",
        "nan",  "[1}",     "{\"a\":1]", "'a'",        "\"\n\"",      "\"\\ud83d\\u\""}) {
    EXPECT_FALSE(ParseJson(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseJson(std::string("1\0", 2)).has_value());
  EXPECT_FALSE(ParseJson(std::string("\"\\\0\"", 4)).has_value());
}

TEST(ParseJson, LimitsDepth) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(ParseJson(nested(20)).has_value());
  EXPECT_FALSE(ParseJson(nested(21)).has_value());
  EXPECT_FALSE(ParseJson(nested(1000000)).has_value());
}

}  // namespace
}  // namespace crema
