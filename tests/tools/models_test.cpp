// The nets of models/: each compiles, and its README tells its size truly.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "crema.pb.h"
#include "crema/dev/compile.h"
#include "schema/upgrade.h"
#include "tools/tool_process.h"
#include "util/paths.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = SourceFolder() / "models";

std::vector<std::string> ModelNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kModels)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Graph CompileDeploy(const fs::path& folder) {
  proto::NetParameter net;
  ReadNetFile((folder / "deploy.prototxt").string(), &net);
  net.mutable_state()->set_phase(proto::TEST);
  CompileOptions options;
  options.backward = false;
  return CompileNet(net, DeviceKind::kCpu, options);
}

// The number in a README's table row "| name | 1,234 ...|"; -1 where there is none.
int64_t Stated(const fs::path& folder, const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(folder / "README.md").rdbuf();
  const std::string readme = text.str();
  std::smatch match;
  if (!std::regex_search(readme, match, std::regex("\\| " + name + " \\| ([0-9,]+)"))) return -1;
  std::string digits = match[1];
  digits.erase(std::remove(digits.begin(), digits.end(), ','), digits.end());
  return std::stoll(digits);
}

class ModelsTest : public testing::TestWithParam<std::string> {
 protected:
  const fs::path folder_ = kModels / GetParam();
};

TEST_P(ModelsTest, ReadmeStatesParametersAndMultiplyAdds) {
  if (!fs::exists(folder_ / "deploy.prototxt")) GTEST_SKIP() << "has no deploy.prototxt";
  const Graph graph = CompileDeploy(folder_);
  int64_t parameters = 0;
  for (const ParamNode& param : graph.params) {
    if (param.owner < 0 && param.decl.learned) parameters += param.decl.shape.count();
  }
  double flops = 0;
  for (const LayerNode& node : graph.layers) flops += node.layer->ForwardFlops();
  EXPECT_EQ(Stated(folder_, "parameters"), parameters);
  EXPECT_EQ(Stated(folder_, "multiply-adds"), std::llround(flops / 2));
}

// The nets for training, without their data sets.
TEST_P(ModelsTest, CompilesInBothPhases) {
  std::string shape;  // none for a net that makes its data itself
  if (fs::exists(folder_ / "deploy.prototxt")) {
    const Graph graph = CompileDeploy(folder_);
    const Shape& input = graph.blobs[graph.layers[0].tops[0]].shape;
    const int64_t channels = GetParam() == "mnist_siamese" ? 2 : input[1];  // pairs of images
    shape = Concat("2x", channels, "x", input[2], "x", input[3]);
  }
  proto::SolverParameter solver;
  ReadSolverFile((folder_ / "solver.prototxt").string(), &solver);
  std::string stage;  // of the first test net
  for (const proto::NetState& state : solver.test_state()) {
    if (stage.empty() && state.stage_size() > 0) stage = state.stage(0);
  }
  for (const std::vector<std::string>& state :
       {std::vector<std::string>{"--phase=TRAIN"}, {"--phase=TEST", "--stage=" + stage}}) {
    std::vector<std::string> arguments = {"show",
                                          "--model=" + (folder_ / "train_val.prototxt").string()};
    if (!shape.empty()) arguments.push_back("--dummy-data=" + shape);
    arguments.insert(arguments.end(), state.begin(), state.end());
    const ToolResult result = RunTool(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
  }
}

// Solvers are run from the repository's root, and save beside their net.
TEST_P(ModelsTest, SolverNamesItsOwnNet) {
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename().string().find("solver.prototxt") == std::string::npos) continue;
    proto::SolverParameter solver;
    ReadSolverFile(entry.path().string(), &solver);
    const std::string folder = "models/" + GetParam() + "/";
    EXPECT_EQ(solver.net(), folder + "train_val.prototxt");
    EXPECT_THAT(solver.snapshot_prefix(), testing::StartsWith(folder));
    EXPECT_GT(solver.max_iter(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ModelsTest, testing::ValuesIn(ModelNames()), [](const auto& info) {
  return std::regex_replace(info.param, std::regex("[^a-zA-Z0-9_]"), "_");
});

}  // namespace
}  // namespace crema
