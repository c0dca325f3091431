#include "crema/dev/philox.h"

#include <array>
#include <cmath>

#include "math/primitives_fixture.h"

namespace crema::test {
namespace {

void ExpectWords(const Philox4& actual, const std::array<uint32_t, 4>& expected) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(actual.word[i], expected[i]) << "word " << i;
}

// The known answers for philox4x32 with 10 rounds that its authors publish with Random123.
TEST(PhiloxTest, KnownAnswers) {
  ExpectWords(Philox(0, 0, 0, 0, 0, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const uint32_t ones = 0xffffffff;
  ExpectWords(Philox(ones, ones, ones, ones, ones, ones),
              {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  ExpectWords(Philox(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0),
              {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

// Index i is word i % 4 of block i / 4; the step and the key take their 64 bits each.
TEST(PhiloxTest, BitsAreWordsOfBlocks) {
  const uint64_t mixed = 0x299f31d0a4093822, step = 0x0370734413198a2e;
  const uint64_t block = 0x05a308d3243f6a88;
  const Philox4 words =
      Philox(0x243f6a88, 0x05a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0);
  for (uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(RandomBits(mixed, step, 4 * block + i), words.word[i]);
  }
}

double Correlation(uint64_t mixed_a, uint64_t step_a, uint64_t mixed_b, uint64_t step_b) {
  const int n = 100000;
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    sum += (RandomUniform(mixed_a, step_a, i) - 0.5) * (RandomUniform(mixed_b, step_b, i) - 0.5);
  }
  return sum / n * 12;
}

TEST(PhiloxTest, SeedsKeysAndStepsAreIndependent) {
  const uint64_t mixed = MixKeys(1, 2);
  const double noise = 4 / std::sqrt(100000.0);  // four standard deviations
  EXPECT_NEAR(Correlation(mixed, 0, mixed, 0), 1, noise);
  EXPECT_NEAR(Correlation(mixed, 0, mixed, 1), 0, noise);
  EXPECT_NEAR(Correlation(mixed, 0, MixKeys(1, 3), 0), 0, noise);
  EXPECT_NEAR(Correlation(mixed, 0, MixKeys(2, 2), 0), 0, noise);
  EXPECT_NE(MixKeys(1, 2), MixKeys(2, 1));
  EXPECT_NE(MixKeys(0, 0), MixKeys(0, 1));
}

TEST(PhiloxTest, UniformMomentsAndRange) {
  const uint64_t mixed = MixKeys(7, 0);
  const int n = 200000;
  double sum = 0, squares = 0;
  std::array<int, 16> buckets = {};
  for (int i = 0; i < n; ++i) {
    const double u = RandomUniform(mixed, 3, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
    ++buckets[static_cast<int>(u * 16)];
  }
  EXPECT_NEAR(sum / n, 0.5, 0.003);
  EXPECT_NEAR(squares / n, 1.0 / 3, 0.003);
  double chi_squared = 0;
  for (int count : buckets) chi_squared += std::pow(count - n / 16.0, 2) / (n / 16.0);
  EXPECT_LT(chi_squared, 37.7);  // 15 degrees of freedom: exceeded once in 1000 keys
}

TEST(PhiloxTest, UniformNeverRoundsToOne) {
  // The largest value is that of the bits 0xffffff..: (2^24 - 1) / 2^24.
  EXPECT_LT(static_cast<float>(0xffffffffu >> 8) * (1.0f / 16777216.0f), 1.0f);
}

TEST(PhiloxTest, NormalMoments) {
  const uint64_t mixed = MixKeys(8, 1);
  const int n = 200000;
  double moment[5] = {};
  int within_one = 0;
  for (int i = 0; i < n; ++i) {
    const double x = RandomNormal(mixed, 0, i);
    for (int p = 1; p <= 4; ++p) moment[p] += std::pow(x, p) / n;
    within_one += std::fabs(x) < 1 ? 1 : 0;
  }
  EXPECT_NEAR(moment[1], 0, 0.01);
  EXPECT_NEAR(moment[2], 1, 0.015);
  EXPECT_NEAR(moment[3], 0, 0.04);
  EXPECT_NEAR(moment[4], 3, 0.1);
  EXPECT_NEAR(within_one / static_cast<double>(n), 0.6827, 0.005);
}

TEST(PhiloxTest, BelowIsEvenAndInRange) {
  const uint64_t mixed = MixKeys(9, 1);
  std::array<int, 7> counts = {};
  for (int i = 0; i < 70000; ++i) {
    const uint32_t value = RandomBelow(mixed, 0, i, 7);
    ASSERT_LT(value, 7u);
    ++counts[value];
  }
  for (int count : counts) EXPECT_NEAR(count, 10000, 400);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(RandomBelow(mixed, 0, i, 1), 0u);
}

class PhiloxOnDeviceTest : public PrimitivesTest {};
CREMA_ON_ALL_DEVICES(PhiloxOnDeviceTest);

TEST_P(PhiloxOnDeviceTest, GivesTheSameNumbersAsTheHost) {
  const int64_t n = 10007;
  const uint64_t mixed = MixKeys(123, 456), step = (uint64_t{5} << 32) + 9;
  const Tensor bits = Fresh(n, DType::kInt32), uniform = Fresh(n, DType::kFloat32),
               normal = Fresh(n, DType::kFloat32);
  primitives().Random(ctx(), mixed, step, bits, uniform, normal);
  const std::vector<int32_t> b = bits.ToHost<int32_t>();
  const std::vector<float> u = uniform.ToHost<float>(), g = normal.ToHost<float>();
  for (int64_t i = 0; i < n; ++i) {
    ASSERT_EQ(static_cast<uint32_t>(b[i]), RandomBits(mixed, step, i)) << i;
    ASSERT_EQ(u[i], RandomUniform(mixed, step, i)) << i;
    ASSERT_NEAR(g[i], RandomNormal(mixed, step, i), 1e-6) << i;
  }
}

}  // namespace
}  // namespace crema::test
