#include "base/numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <sstream>

#include "base/strings.h"
#include "crema/error.h"
#include "util/comma_locale.h"

namespace crema::test {
namespace {

std::string Printf(const char* format, int precision, double value) {
  char text[512];
  std::snprintf(text, sizeof text, format, precision, value);
  return text;
}

TEST(NumbersTest, AreThoseOfPrintf) {
  for (double value : {0.0, -0.5, 1e-9, 2.36467, 999.96, 1e10, 123456789.0, 1e300,
                       std::numeric_limits<double>::max(), std::nan("")}) {
    for (int precision : {0, 1, 3, 6, 9}) {
      EXPECT_EQ(FixedText(value, precision), Printf("%.*f", precision, value));
      EXPECT_EQ(GeneralText(value, precision), Printf("%.*g", precision, value));
    }
  }
}

TEST(NumbersTest, ReadsAs) {
  EXPECT_TRUE(ReadsAs("0.1", 0.1f));
  EXPECT_FALSE(ReadsAs("0.100001", 0.1f));
  EXPECT_TRUE(ReadsAs("1e+300", std::numeric_limits<float>::infinity()));
}

TEST(NumbersTest, LowerCase) {
  EXPECT_EQ(LowerCase("TIFF.Z1"), "tiff.z1");
  EXPECT_EQ(LowerCase("\xC3\x84"), "\xC3\x84");
}

TEST(NumbersTest, DoNotDependOnTheLocaleOfStreams) {
  const CommaStreams comma;
  std::ostringstream plain;
  plain << 10000;
  ASSERT_EQ(plain.str(), "10.000") << "the test's own locale does not work";
  EXPECT_EQ(Concat("iter_", 10000, " ", 2.5), "iter_10000 2.5");
  std::istringstream stream("0.25 10000");
  UsePlainNumbers(stream);
  double fraction = 0;
  int whole = 0;
  EXPECT_TRUE(stream >> fraction >> whole);
  EXPECT_EQ(fraction, 0.25);
  EXPECT_EQ(whole, 10000);
}

TEST(NumbersTest, DoNotDependOnTheLocaleOfC) {
  const CommaLocale comma;
  if (!comma.found()) GTEST_SKIP() << "the system has no locale with a decimal comma";
  ASSERT_EQ(Printf("%.*f", 1, 2.5), "2,5");
  EXPECT_EQ(FixedText(2.5, 1), "2.5");
  EXPECT_EQ(GeneralText(2.5, 6), "2.5");
  EXPECT_TRUE(ReadsAs("2.5", 2.5f));
  EXPECT_EQ(BytesToString(2500), "2.5 kB");
  EXPECT_EQ(Concat(2.5), "2.5");
}

}  // namespace
}  // namespace crema::test
