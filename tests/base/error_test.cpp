#include "crema/error.h"

#include <gtest/gtest.h>

#include "base/in_source.h"

namespace crema {
namespace {

TEST(ErrorTest, ConcatPrintsItsParts) {
  EXPECT_EQ(Concat(), "");
  EXPECT_EQ(Concat("a", 1, 'b', 2.5, std::string("c")), "a1b2.5c");
}

TEST(ErrorTest, FailThrowsTheSentence) {
  try {
    Fail("layer '", "x", "': has ", 3, " bottoms");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "layer 'x': has 3 bottoms");
  }
}

// What Fail throws for these parts.
template <class... Parts>
Error Thrown(const Parts&... parts) {
  try {
    Fail(parts...);
  } catch (const Error& error) {
    return error;
  }
}

TEST(ErrorTest, KnowsNoPlaceThatItWasNotTold) {
  const Error error = Thrown("net.prototxt:3: layer 'x': has 3 bottoms");
  EXPECT_EQ(error.file(), "");
  EXPECT_EQ(error.line(), 0);
  EXPECT_EQ(error.layer(), "");
}

TEST(ErrorTest, PartsTellThePlaceAndArePrinted) {
  const Error text = Thrown(InFile("net.prototxt", 12), ": has no end");
  EXPECT_STREQ(text.what(), "net.prototxt:12: has no end");
  EXPECT_EQ(text.file(), "net.prototxt");
  EXPECT_EQ(text.line(), 12);
  const Error file = Thrown(InFile("x.caffemodel"), ": is empty");
  EXPECT_STREQ(file.what(), "x.caffemodel: is empty");
  EXPECT_EQ(file.line(), 0);
  const Error layer =
      Thrown(InLayer("fc", "InnerProduct"), ": cannot share with ", InLayer("other", ""));
  EXPECT_STREQ(layer.what(), "layer 'fc' (InnerProduct): cannot share with layer 'other'");
  EXPECT_EQ(layer.layer(), "fc");
}

TEST(ErrorTest, OneErrorInAnotherKeepsItsPlace) {
  const Error inner = Thrown(InFile("list.txt", 3), ": has no label");
  const Error outer = Thrown(InLayer("data", "ImageData"), ": the list ", inner, "; correct it");
  EXPECT_STREQ(outer.what(),
               "layer 'data' (ImageData): the list list.txt:3: has no label; correct it");
  EXPECT_EQ(outer.file(), "list.txt");
  EXPECT_EQ(outer.line(), 3);
  EXPECT_EQ(outer.layer(), "data");
}

TEST(ErrorTest, AboutPutsTheSubjectInFrontOnce) {
  const Error error = Thrown("has 3 bottoms");
  const InLayer layer("x", "ReLU");
  const Error once = error.About(layer, layer.place());
  EXPECT_STREQ(once.what(), "layer 'x' (ReLU): has 3 bottoms");
  EXPECT_EQ(once.layer(), "x");
  const Error twice = once.About(layer, layer.place());
  EXPECT_STREQ(twice.what(), once.what());
  const Error in_file = once.About("net.prototxt, phase TEST", InFile("net.prototxt").place());
  EXPECT_STREQ(in_file.what(), "net.prototxt, phase TEST: layer 'x' (ReLU): has 3 bottoms");
  EXPECT_EQ(in_file.file(), "net.prototxt");
  EXPECT_EQ(in_file.layer(), "x");
}

TEST(ErrorTest, AboutLeavesALineToItsFile) {
  const Error error = Thrown(InFile("list.txt", 3), ": has no label");
  const Error told = error.About("net.prototxt", InFile("net.prototxt", 7).place());
  EXPECT_EQ(told.file(), "list.txt");
  EXPECT_EQ(told.line(), 3);
}

TEST(InSourceTest, LeavesAnErrorThatNamesTheFile) {
  const auto in_net = [](const auto& action) {
    try {
      InSource("net.prototxt, phase TEST", action, InFile("net.prototxt").place());
    } catch (const Error& error) {
      return error;
    }
    return Error("");
  };
  EXPECT_STREQ(in_net([] { Fail(InFile("net.prototxt", 2), ": is odd"); }).what(),
               "net.prototxt:2: is odd");
  EXPECT_STREQ(in_net([] { Fail("is odd"); }).what(), "net.prototxt, phase TEST: is odd");
  EXPECT_STREQ(in_net([] { Fail("net.prototxt, phase TEST: is odd"); }).what(),
               "net.prototxt, phase TEST: is odd");
}

TEST(ErrorDeathTest, CheckNamesThePlaceTheConditionAndTheMessage) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(CREMA_CHECK(1 + 1 == 3, "sum of ", 2),
               "error_test.cpp:[0-9]+: .*1 \\+ 1 == 3.*sum of 2");
}

TEST(ErrorTest, CheckThatHoldsDoesNothing) {
  int evaluated = 0;
  CREMA_CHECK(++evaluated == 1, "never");
  EXPECT_EQ(evaluated, 1);
}

}  // namespace
}  // namespace crema
