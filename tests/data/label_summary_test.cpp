#include "data/label_summary.h"

#include <gtest/gtest.h>

#include <vector>

namespace crema {
namespace {

std::string Describe(const std::vector<int>& labels) {
  LabelSummary summary;
  for (int label : labels) summary.Add(label);
  return summary.Describe();
}

TEST(LabelSummaryTest, SaysHowManyImagesALabelHas) {
  EXPECT_EQ(Describe({}), "");
  EXPECT_EQ(Describe({0, 0, 0}), "Labels: all 0; 3 images");
  EXPECT_EQ(Describe({0, 1, 1, 0}), "Labels: 0 to 1; 2 images each");
  EXPECT_EQ(Describe({2, 0, 1, 1, 1, 0}), "Labels: 0 to 2; 1 (label 2) to 3 (label 1) images each");
}

TEST(LabelSummaryTest, NamesLabelsThatNoImageHas) {
  EXPECT_EQ(Describe({1, 2}), "Labels: 1 to 2; 1 image each; no image has label 0");
  EXPECT_EQ(Describe({0, 3}), "Labels: 0 to 3; 1 image each; no image has labels 1, 2");
  EXPECT_EQ(
      Describe({0, 1000000000}),
      "Labels: 0 to 1000000000; 1 image each; no image has labels 1, 2, 3, 4, 5 and 999999994 "
      "more");
}

TEST(LabelSummaryTest, NamesLabelsBelowZero) {
  EXPECT_EQ(Describe({-1, 0}),
            "Labels: -1 to 0; 1 image each; classes are counted from 0, so that losses refuse "
            "labels below");
}

}  // namespace
}  // namespace crema
