#include "train/detection.h"

#include "train/train_test_util.h"

namespace crema {
namespace {

// Two objects of class 1, found at scores 0.9 and 0.6, with a false alarm between; a detection of
// an object that does not count.
// Points (recall, precision): (1/2, 1), (1/2, 1/2), (1, 2/3).
DetectionScores OneClass() {
  DetectionScores scores;
  scores.Add({-1, 1, 2, -1, -1,  //
              0, 1, 0.6, 1, 0,   //
              0, 1, 0.95, 0, 0});
  scores.Add({0, 1, 0.7, 0, 1,  //
              1, 1, 0.9, 1, 0});
  return scores;
}

TEST(DetectionTest, GoldenAreas) {
  const DetectionScores scores = OneClass();
  EXPECT_DOUBLE_EQ(scores.Mean(ApVersion::kIntegral), 0.5 * 1 + 0.5 * 2 / 3);
  EXPECT_DOUBLE_EQ(scores.Mean(ApVersion::kMaxIntegral), 0.5 * 1 + 0.5 * 2 / 3);
  EXPECT_NEAR(scores.Mean(ApVersion::k11Point), (6 * 1 + 5 * 2.0 / 3) / 11, 1e-12);
}

// A false alarm first: (0, 0), (1/2, 1/2), (1, 2/3).
TEST(DetectionTest, TheBestPrecisionToCome) {
  DetectionScores scores;
  scores.Add({-1, 1, 2, -1, -1, 0, 1, 0.9, 0, 1, 0, 1, 0.8, 1, 0, 0, 1, 0.7, 1, 0});
  EXPECT_DOUBLE_EQ(scores.Mean(ApVersion::kIntegral), 0.5 / 2 + 0.5 * 2 / 3);
  EXPECT_DOUBLE_EQ(scores.Mean(ApVersion::kMaxIntegral), 2.0 / 3);
}

// A class of which nothing was found counts as 0; one without objects does not count.
TEST(DetectionTest, MeanOverClasses) {
  DetectionScores scores = OneClass();
  scores.Add({-1, 2, 4, -1, -1, 0, 3, 0.9, 0, 1});
  EXPECT_DOUBLE_EQ(scores.Mean(ApVersion::kIntegral), (0.5 + 1.0 / 3) / 2);
  EXPECT_EQ(scores.AveragePrecisions(ApVersion::kIntegral).size(), 1u);
  EXPECT_EQ(DetectionScores().Mean(ApVersion::kIntegral), 0);
}

TEST(DetectionTest, Errors) {
  EXPECT_TRUE(Contains(ErrorOf([] { DetectionScores().Add({1, 2, 3}); }), "3 numbers"));
  EXPECT_TRUE(Contains(ErrorOf([] { ParseApVersion("12point"); }), "'12point'"));
}

}  // namespace
}  // namespace crema
