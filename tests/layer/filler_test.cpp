#include "crema/dev/filler.h"

#include <gtest/gtest.h>

#include <cmath>

#include "crema.pb.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

FillerSpec Spec(const std::string& type) {
  FillerSpec spec;
  spec.type = type;
  return spec;
}

std::vector<float> Values(const FillerSpec& spec, const Shape& shape, uint64_t seed = 1,
                          uint64_t key = 2) {
  return Fill(spec, shape, seed, key, "test");
}

struct Moments {
  double mean = 0, deviation = 0, least = 1e30, most = -1e30;

  explicit Moments(const std::vector<float>& values) {
    const double n = static_cast<double>(values.size());
    for (float v : values) {
      mean += v / n;
      least = std::min<double>(least, v);
      most = std::max<double>(most, v);
    }
    for (float v : values) deviation += (v - mean) * (v - mean) / n;
    deviation = std::sqrt(deviation);
  }
};

constexpr int64_t kMany = 40000;

TEST(FillerTest, Constant) {
  FillerSpec spec = Spec("constant");
  spec.value = 2.5f;
  EXPECT_EQ(Values(spec, {2, 3}), std::vector<float>(6, 2.5f));
  EXPECT_EQ(Values(FillerSpec(), {2}), std::vector<float>(2, 0.0f));
}

// The deviation of a uniform number is (max - min) / sqrt(12).
TEST(FillerTest, Uniform) {
  FillerSpec spec = Spec("uniform");
  spec.min = -1;
  spec.max = 5;
  const Moments m(Values(spec, {kMany}));
  EXPECT_GE(m.least, -1);
  EXPECT_LT(m.most, 5);
  EXPECT_NEAR(m.least, -1, 0.01);
  EXPECT_NEAR(m.most, 5, 0.01);
  EXPECT_NEAR(m.mean, 2, 0.05);
  EXPECT_NEAR(m.deviation, 6 / std::sqrt(12.0), 0.03);
}

// Beside the moments: 68.27 % within one deviation, 0.27 % beyond three.
TEST(FillerTest, Gaussian) {
  FillerSpec spec = Spec("gaussian");
  spec.mean = 3;
  spec.std = 2;
  const std::vector<float> values = Values(spec, {kMany});
  const Moments m(values);
  EXPECT_NEAR(m.mean, 3, 0.05);
  EXPECT_NEAR(m.deviation, 2, 0.05);
  double near = 0, far = 0;
  for (float v : values) {
    near += std::fabs(v - 3) < 2;
    far += std::fabs(v - 3) > 6;
  }
  EXPECT_NEAR(near / kMany, 0.6827, 0.01);
  EXPECT_NEAR(far / kMany, 0.0027, 0.0012);
}

// Each value stays with probability sparse / shape[0] = 5 / 20.
TEST(FillerTest, SparseGaussian) {
  FillerSpec spec = Spec("gaussian");
  const std::vector<float> dense = Values(spec, {20, 2000});
  spec.sparse = 5;
  const std::vector<float> values = Values(spec, {20, 2000});
  double kept = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0) continue;
    ++kept;
    EXPECT_EQ(values[i], dense[i]);
  }
  EXPECT_NEAR(kept / kMany, 0.25, 0.01);
  spec.sparse = 0;
  EXPECT_EQ(Values(spec, {20, 20}), std::vector<float>(400, 0.0f));
}

// Shape (50, 20, 8, 5): fan in 20 * 8 * 5 = 800, fan out 50 * 8 * 5 = 2000, mean 1400.
TEST(FillerTest, FansOfXavierAndMsra) {
  const Shape shape{50, 20, 8, 5};
  const std::vector<std::pair<FillerSpec::Norm, double>> norms = {
      {FillerSpec::Norm::kFanIn, 800},
      {FillerSpec::Norm::kFanOut, 2000},
      {FillerSpec::Norm::kAverage, 1400}};
  for (const auto& [norm, fan] : norms) {
    FillerSpec spec = Spec("xavier");
    spec.variance_norm = norm;
    const Moments xavier(Values(spec, shape));
    const double limit = std::sqrt(3 / fan);
    EXPECT_LE(xavier.most, limit * 1.0001);
    EXPECT_GE(xavier.least, -limit * 1.0001);
    EXPECT_NEAR(xavier.most, limit, limit * 0.01);
    EXPECT_NEAR(xavier.least, -limit, limit * 0.01);
    EXPECT_NEAR(xavier.mean, 0, limit * 0.02);
    spec.type = "msra";
    const Moments msra(Values(spec, shape));
    EXPECT_NEAR(msra.deviation, std::sqrt(2 / fan), 0.02 * std::sqrt(2 / fan));
    EXPECT_NEAR(msra.mean, 0, 0.02 * std::sqrt(2 / fan));
  }
}

// One axis: fan in 1, fan out the count.
TEST(FillerTest, FansOfAVector) {
  FillerSpec spec = Spec("xavier");
  EXPECT_NEAR(Moments(Values(spec, {3000})).most, std::sqrt(3.0), 0.01);
  spec.variance_norm = FillerSpec::Norm::kFanOut;
  EXPECT_NEAR(Moments(Values(spec, {3000})).most, std::sqrt(3.0 / 3000), 0.001);
}

TEST(FillerTest, PositiveUnitball) {
  const std::vector<float> values = Values(Spec("positive_unitball"), {6, 3, 50});
  for (int r = 0; r < 6; ++r) {
    double sum = 0;
    for (int i = 0; i < 150; ++i) {
      EXPECT_GE(values[r * 150 + i], 0);
      sum += values[r * 150 + i];
    }
    EXPECT_NEAR(sum, 1, 1e-5);
  }
  EXPECT_NE(values[0], values[1]);
}

// Of one input each, whatever was drawn, also a 0.
TEST(FillerTest, PositiveUnitballOfOneInput) {
  EXPECT_EQ(Values(Spec("positive_unitball"), {}), std::vector<float>{1});
  EXPECT_EQ(Values(Spec("positive_unitball"), {3, 1}), std::vector<float>(3, 1.0f));
}

// A scalar is one output: its value stays with probability 0, or 1.
TEST(FillerTest, SparseGaussianOfAScalar) {
  FillerSpec spec = Spec("gaussian");
  const std::vector<float> dense = Values(spec, {});
  spec.sparse = 0;
  EXPECT_EQ(Values(spec, {}), std::vector<float>{0});
  spec.sparse = 1;
  EXPECT_EQ(Values(spec, {}), dense);
}

TEST(FillerTest, EveryFillerOnEveryShape) {
  const std::vector<Shape> shapes = {
      {},     {1},       {7},          {0},          {2, 3},         {2, 0},
      {0, 3}, {2, 3, 4}, {1, 1, 3, 3}, {2, 0, 3, 3}, {2, 3, 1, 2, 2}};
  for (const char* type :
       {"constant", "uniform", "gaussian", "positive_unitball", "xavier", "msra", "bilinear"}) {
    for (const Shape& shape : shapes) {
      for (FillerSpec::Norm norm :
           {FillerSpec::Norm::kFanIn, FillerSpec::Norm::kFanOut, FillerSpec::Norm::kAverage}) {
        SCOPED_TRACE(type + (" " + shape.ToString()));
        FillerSpec spec = Spec(type);
        spec.variance_norm = norm;
        spec.sparse = std::string(type) == "gaussian" ? 1 : -1;
        const bool refuses = std::string(type) == "bilinear" && shape.count() > 0 &&
                             (shape.rank() != 4 || shape[2] != shape[3]);
        if (refuses) {
          ExpectError([&] { Values(spec, shape); }, {"test", "bilinear", shape.ToString()});
          continue;
        }
        const std::vector<float> values = Values(spec, shape);
        ASSERT_EQ(static_cast<int64_t>(values.size()), shape.count());
        for (float value : values) EXPECT_TRUE(std::isfinite(value));
      }
    }
  }
}

// With f = ceil(k / 2) and c = (k - 1) / (2 f), the factor at x is 1 - |x / f - c|.
//   k = 4: f = 2, c = 3/4: 1/4 3/4 3/4 1/4.   k = 3: f = 2, c = 1/2: 1/2 1 1/2.
//   k = 6: f = 3, c = 5/6: 1/6 3/6 5/6 5/6 3/6 1/6.   k = 1: 1.
TEST(FillerTest, Bilinear) {
  const std::vector<std::vector<double>> factors = {
      {1},
      {0.5, 1, 0.5},
      {0.25, 0.75, 0.75, 0.25},
      {1 / 6.0, 3 / 6.0, 5 / 6.0, 5 / 6.0, 3 / 6.0, 1 / 6.0}};
  for (const std::vector<double>& f : factors) {
    const auto k = static_cast<int64_t>(f.size());
    SCOPED_TRACE(k);
    std::vector<double> expected;
    for (int plane = 0; plane < 6; ++plane) {
      for (double y : f) {
        for (double x : f) expected.push_back(y * x);
      }
    }
    const std::vector<float> values = Values(Spec("bilinear"), {2, 3, k, k});
    ExpectNear(std::vector<double>(values.begin(), values.end()), expected, 1e-6);
  }
  ExpectError([] { Values(Spec("bilinear"), {2, 3, 4, 5}); }, {"test", "bilinear", "2 3 4 5"});
  ExpectError([] { Values(Spec("bilinear"), {3, 4, 4}); }, {"4-D"});
}

TEST(FillerTest, DependsOnSeedAndKeyAlone) {
  for (const char* type : {"uniform", "gaussian", "xavier", "msra", "positive_unitball"}) {
    const std::vector<float> first = Values(Spec(type), {7, 9}, 3, 4);
    EXPECT_EQ(Values(Spec(type), {7, 9}, 3, 4), first) << type;
    EXPECT_NE(Values(Spec(type), {7, 9}, 4, 4), first) << type;
    EXPECT_NE(Values(Spec(type), {7, 9}, 3, 5), first) << type;
    EXPECT_NE(Values(Spec(type), {7, 9}, 4, 3), first) << type;
  }
}

TEST(FillerTest, EmptyParameter) {
  for (const char* type : {"constant", "gaussian", "xavier", "positive_unitball"}) {
    EXPECT_TRUE(Values(Spec(type), {0, 3}).empty());
  }
}

TEST(FillerTest, ReadsItsOptions) {
  proto::FillerParameter parameter;
  parameter.set_type("msra");
  parameter.set_value(1);
  parameter.set_min(2);
  parameter.set_max(3);
  parameter.set_mean(4);
  parameter.set_std(5);
  parameter.set_variance_norm(proto::FillerParameter::AVERAGE);
  const FillerSpec spec = ToFillerSpec(parameter, "test");
  EXPECT_EQ(spec.type, "msra");
  EXPECT_EQ(spec.value, 1);
  EXPECT_EQ(spec.min, 2);
  EXPECT_EQ(spec.max, 3);
  EXPECT_EQ(spec.mean, 4);
  EXPECT_EQ(spec.std, 5);
  EXPECT_EQ(spec.sparse, -1);
  EXPECT_EQ(spec.variance_norm, FillerSpec::Norm::kAverage);
  parameter.set_variance_norm(proto::FillerParameter::FAN_OUT);
  EXPECT_EQ(ToFillerSpec(parameter, "test").variance_norm, FillerSpec::Norm::kFanOut);

  parameter.set_sparse(3);
  ExpectError([&] { ToFillerSpec(parameter, "layer 'a'"); }, {"layer 'a'", "sparse", "msra"});
  parameter.set_type("gaussian");
  EXPECT_EQ(ToFillerSpec(parameter, "test").sparse, 3);
  parameter.set_sparse(-2);
  ExpectError([&] { ToFillerSpec(parameter, "layer 'a'"); }, {"layer 'a'", "sparse is -2"});
  parameter.set_sparse(3);
  parameter.set_type("gausian");
  ExpectError([&] { ToFillerSpec(parameter, "layer 'a'"); },
              {"layer 'a'", "gausian", "did you mean 'gaussian'"});
}

}  // namespace
}  // namespace crema::test
