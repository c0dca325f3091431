// The nets of docs/coming_from_caffe.md that stand in for layers of Caffe's forks do what those do.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>
#include <sstream>

#include "crema/dev/registry.h"
#include "net/net_test_util.h"
#include "schema/schema_test_util.h"
#include "util/paths.h"

namespace crema::test {
namespace {

std::string Page() { return ReadTestFile(SourceFolder() / "docs" / "coming_from_caffe.md"); }

// The part of the page from one heading to the next.
std::string Section() {
  const std::string page = Page(), start = "## Layers of Caffe's forks\n";
  const size_t at = page.find(start);
  CREMA_CHECK(at != std::string::npos, "the page has no section on forks");
  return page.substr(at, page.find("\n## ", at) - at);
}

// The block that begins with a comment of this text.
std::string Block(const std::string& title) {
  const std::string page = Section();
  const size_t at = page.find("\n```\n# " + title);
  CREMA_CHECK(at != std::string::npos, title);
  const size_t begin = at + 5;
  return page.substr(begin, page.find("\n```\n", begin) - begin) + "\n";
}

// The net of that block, with x and other inputs of random values.
std::unique_ptr<Net> StandIn(const std::string& title, const std::vector<int>& x,
                             const std::string& more = "", DType dtype = DType::kFloat64) {
  MakeNetOptions options;
  options.dtype = dtype;
  auto net = MakeNet(Input("x", x) + more + Block(title), options);
  uint64_t seed = 1;
  for (const char* name : {"x", "a", "b", "target"}) {
    Blob* const blob = net->FindBlob(name);
    if (blob != nullptr) SetBlob(*net, name, RandomValues(blob->count(), ++seed));
  }
  return net;
}

std::vector<double> Top(Net& net) {
  net.Forward(0);
  return ReadBlob(net, "y");
}

template <class Function>
std::vector<double> Map(const Net& net, const Function& function) {
  std::vector<double> values = ReadBlob(net, "x");
  for (double& value : values) value = function(value);
  return values;
}

TEST(StandInsTest, Relu6) {
  const auto net = StandIn("ReLU6", {2, 3});
  SetBlob(*net, "x", {-1, 0, 0.5, 6, 7, 100});
  ExpectNear(Top(*net), {0, 0, 0.5, 6, 6, 6}, 0);
}

TEST(StandInsTest, Selu) {
  const auto net = StandIn("SeLu", {4, 5});
  const std::vector<double> expected = Map(*net, [](double x) {
    constexpr double kAlpha = 1.6732632423543772, kLambda = 1.0507009873554805;
    return kLambda * (x > 0 ? x : kAlpha * (std::exp(x) - 1));
  });
  ExpectNear(Top(*net), expected, 1e-6);
}

TEST(StandInsTest, Axpy) {
  const auto net =
      StandIn("Axpy", {2, 3, 4, 5}, Input("a", {2, 3, 1, 1}) + Input("b", {2, 3, 4, 5}));
  std::vector<double> expected = ReadBlob(*net, "x");
  const std::vector<double> a = ReadBlob(*net, "a"), b = ReadBlob(*net, "b");
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = a[i / 20] * expected[i] + b[i];
  ExpectNear(Top(*net), expected, 1e-12);
}

// 20 x / (the norm of the pixel's channels).
TEST(StandInsTest, NormalizeOfEachPixel) {
  const auto net = StandIn("Normalize with across_spatial: false", {1, 512, 1, 2});
  std::vector<double> expected = ReadBlob(*net, "x");
  for (size_t pixel : {0, 1}) {
    double squares = 1e-10;
    for (size_t c = 0; c < 512; ++c) squares += std::pow(expected[2 * c + pixel], 2);
    for (size_t c = 0; c < 512; ++c) expected[2 * c + pixel] *= 20 / std::sqrt(squares);
  }
  ExpectNear(Top(*net), expected, 1e-9);
}

TEST(StandInsTest, NormalizeOfTheWholeImage) {
  const auto net = StandIn("Normalize with across_spatial: true", {2, 3, 2, 2});
  std::vector<double> expected = ReadBlob(*net, "x");
  for (size_t image : {0, 1}) {
    double squares = 1e-10;
    for (size_t i = 0; i < 12; ++i) squares += std::pow(expected[12 * image + i], 2);
    for (size_t i = 0; i < 12; ++i) expected[12 * image + i] *= 20 / std::sqrt(squares);
  }
  ExpectNear(Top(*net), expected, 1e-9);
}

TEST(StandInsTest, L1Loss) {
  const auto net = StandIn("L1Loss", {4, 3}, Input("target", {4, 3}));
  const std::vector<double> x = ReadBlob(*net, "x"), target = ReadBlob(*net, "target");
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::fabs(x[i] - target[i]);
  EXPECT_NEAR(LossOf(*net), sum / 4, 1e-12);
}

// (n, r, c) of the top is (n, r / 2, c / 2) of the bottom.
TEST(StandInsTest, Upsample) {
  const auto net = StandIn("Upsample", {1, 32, 2, 3});
  const std::vector<double> x = ReadBlob(*net, "x");
  std::vector<double> expected;
  for (size_t plane = 0; plane < 32; ++plane) {
    for (size_t r = 0; r < 4; ++r) {
      for (size_t c = 0; c < 6; ++c) expected.push_back(x[plane * 6 + r / 2 * 3 + c / 2]);
    }
  }
  ExpectNear(Top(*net), expected, 1e-12);
}

// Away from the edges, a plane stays a plane, of half the slope.
TEST(StandInsTest, InterpEnlargesBilinearly) {
  const auto net = StandIn("Interp", {1, 21, 4, 4});
  std::vector<double> x;
  for (int i = 0; i < 21 * 16; ++i) x.push_back(i % 4);
  SetBlob(*net, "x", x);
  const std::vector<double> y = Top(*net);
  EXPECT_EQ(net->FindBlob("y")->shape(), (Shape{1, 21, 8, 8}));
  for (int column = 2; column < 6; ++column) {
    EXPECT_NEAR(y[3 * 8 + column], 0.5 * column - 0.25, 1e-12) << column;
  }
}

// The largest of 2 x 2 x 2 values of (64, 16, 28, 28).
double LargestOfBlock(const std::vector<double>& x, size_t channel, size_t frame, size_t row,
                      size_t column) {
  double largest = -1e9;
  for (size_t f : {0, 1}) {
    for (size_t r : {0, 1}) {
      for (size_t c : {0, 1}) {
        const size_t line = ((channel * 16 + 2 * frame + f) * 28 + 2 * row + r) * 28;
        largest = std::max(largest, x[line + 2 * column + c]);
      }
    }
  }
  return largest;
}

TEST(StandInsTest, Pooling3d) {
  const auto net = StandIn("Pooling3D", {1, 64, 16, 28, 28}, "", DType::kFloat32);
  const std::vector<double> x = ReadBlob(*net, "x");
  std::vector<double> expected;
  for (size_t i = 0; i < size_t{64} * 8 * 14 * 14; ++i) {
    expected.push_back(LargestOfBlock(x, i / 1568, i / 196 % 8, i / 14 % 14, i % 14));
  }
  EXPECT_EQ(Top(*net), expected);
  EXPECT_EQ(net->FindBlob("y")->shape(), (Shape{1, 64, 8, 14, 14}));
}

TEST(StandInsTest, ShapesOfWeights) {
  const auto depthwise = StandIn("DepthwiseConvolution", {1, 32, 6, 6});
  EXPECT_EQ(depthwise->param(ParamIndex(*depthwise, "conv_dw", 0)).shape(), (Shape{32, 1, 3, 3}));
  const auto normalize = StandIn("Normalize with across_spatial: true", {1, 512, 1, 1});
  EXPECT_EQ(normalize->param(ParamIndex(*normalize, "conv4_3_norm", 0)).shape(), (Shape{512}));
  const auto conv3d = StandIn("Convolution3D", {1, 2, 4, 6, 6});
  EXPECT_EQ(conv3d->FindBlob("y")->shape(), (Shape{1, 64, 4, 6, 6}));
  const auto bn = StandIn("BN", {2, 3, 4, 4});
  EXPECT_EQ(bn->param(ParamIndex(*bn, "bn", 1)).shape(), (Shape{3}));
}

// The types in the first column of the first table, and those in the second column of the second.
std::set<std::string> ForkTypes() {
  std::set<std::string> types;
  const std::string section = Section();
  int column = 0;
  for (size_t at = 0, end; at < section.size(); at = end + 1) {
    end = std::min(section.find('\n', at), section.size());
    const std::string line = section.substr(at, end - at);
    if (line.rfind("| type |", 0) == 0) column = 1;
    if (line.rfind("| from |", 0) == 0) column = 2;
    if (line.empty() || line[0] != '|') column = 0;
    if (column == 0) continue;
    size_t begin = 0;
    for (int c = 0; c < column; ++c) begin = line.find('|', begin) + 1;
    std::string cell = line.substr(begin, line.find('|', begin) - begin);
    for (char& letter : cell)
      letter = std::isalnum(static_cast<unsigned char>(letter)) ? letter : ' ';
    std::istringstream words(cell);
    for (std::string word; words >> word;) types.insert(word);
  }
  return types;
}

TEST(StandInsTest, TypesThatThePageListsDoNotExist) {
  const std::set<std::string> listed = ForkTypes();
  EXPECT_GT(listed.size(), 50u);
  const std::vector<std::string> own = LayerTypes(DeviceKind::kCpu);
  for (const std::string& type : listed) {
    EXPECT_FALSE(std::binary_search(own.begin(), own.end(), type)) << type << " exists";
  }
}

}  // namespace
}  // namespace crema::test
