#include "schema/text_cursor.h"

#include <gtest/gtest.h>

#include <string>

#include "crema.pb.h"
#include "schema_test_util.h"

namespace crema {
namespace {

const std::string kName = "n.prototxt";

TEST(TextCursor, KeepsEachTokenInItsLine) {
  const std::string text = "name:\n\n'a' # a comment\ndebug_info: true";
  TextCursor cursor(text, kName, proto::NetParameter::descriptor());
  EXPECT_TRUE(cursor.At("name"));
  EXPECT_FALSE(cursor.TryConsume(":"));
  cursor.Next();
  EXPECT_TRUE(cursor.TryConsume(":"));
  EXPECT_TRUE(cursor.At(TextCursor::Tokenizer::TYPE_STRING));
  cursor.Next();
  const TextCursor::Kept kept = cursor.kept();
  while (!cursor.At(TextCursor::Tokenizer::TYPE_END)) cursor.Next();
  EXPECT_EQ(cursor.Found(), "the end of the file");
  EXPECT_EQ(cursor.KeptText(), "name : \n\n'a' \ndebug_info : true ");
  cursor.Forget(kept);
  EXPECT_EQ(cursor.KeptText(), "name : \n\n'a' ");
}

TEST(TextCursor, MistakesNameTheFileAndTheLine) {
  const std::string text = "name: 'a'";
  TextCursor cursor(text, kName, proto::NetParameter::descriptor());
  EXPECT_EQ(ErrorOf([&] { cursor.Mistake(0, "found ", cursor.Found()); }),
            "n.prototxt:1: found name");
}

TEST(TextCursor, ATokenThatIsWrongInItselfIsAnError) {
  const std::string text = "name: 'a";
  TextCursor cursor(text, kName, proto::NetParameter::descriptor());
  cursor.Next();
  const std::string error = ErrorOf([&] { cursor.Next(); });
  EXPECT_EQ(error.rfind("n.prototxt:1:", 0), 0u) << error;
}

}  // namespace
}  // namespace crema
