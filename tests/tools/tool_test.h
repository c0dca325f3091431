// What the tests of the command-line tool share: a small net and its solver, in a folder of the
// test's own.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tools/tool_process.h"
#include "train/train_test_util.h"

namespace crema {

using Words = std::vector<std::string>;

inline const char kNet[] = R"(name: "small"
layer {
  name: "data"
  type: "DummyData"
  top: "data"
  top: "label"
  dummy_data_param {
    shape { dim: 4 dim: 3 }
    shape { dim: 4 }
    data_filler { type: "gaussian" std: 1 }
    data_filler { value: 1 }
  }
}
layer {
  name: "fc"
  type: "InnerProduct"
  bottom: "data"
  top: "fc"
  inner_product_param {
    num_output: 5
    weight_filler { type: "xavier" }
  }
}
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
)";

// Its first layer for records of `images`.
inline const char kImageLayer[] = R"(layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "images" batch_size: 4 backend: LMDB } }
)";

inline const char kSolver[] = R"(net: "net.prototxt"
base_lr: 0.1
momentum: 0.9
lr_policy: "fixed"
max_iter: 10
display: 5
snapshot_prefix: "small"
random_seed: 1
solver_mode: CPU
test_iter: 2
test_interval: 5
)";

class ToolTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = TestFolder();
    Write("net.prototxt", kNet);
    Write("solver.prototxt", kSolver);
  }

  ToolOptions Here() const { return {folder_.string(), RLIM_INFINITY}; }
  ToolResult Run(const Words& words) const { return RunTool(words, Here()); }
  void Write(const std::string& name, const std::string& text) const {
    WriteTestFile(folder_ / name, text);
  }
  std::string Read(const std::string& name) const { return ReadTestFile(folder_ / name); }
  bool Has(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  // What the tool and its libraries take to train the small net, with one thread.
  rlim_t AddressSpaceOfTool() const {
    static const rlim_t bytes = [&] {
      std::filesystem::create_directory(folder_ / "measured");
      Write("measured/net.prototxt", kNet);
      Write("measured/solver.prototxt", With(kSolver, "max_iter: 10", "max_iter: 100000000"));
      ToolProcess tool({"train", "--solver=solver.prototxt", "--threads=1"},
                       {(folder_ / "measured").string()});
      EXPECT_TRUE(tool.WaitFor("Starting Optimization"));
      return tool.PeakAddressSpace();
    }();
    return bytes;
  }

  // Replaces `from`, which must be there.
  static std::string With(std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  }

  // The net with a Data layer, whose database is made here.
  void UseImages() const {
    MakeImages((folder_ / "images").string(), 11, 1, 3, 5);
    const std::string net = kNet;
    Write("net.prototxt", "name: 'small'\n" + std::string(kImageLayer) +
                              net.substr(net.find("layer {\n  name: \"fc\"")));
  }

  // An error of the user's is one line, and nothing else but log lines.
  void ExpectError(Words words, const Words& parts, int status = 1) const {
    words.push_back("--minloglevel=2");
    const ToolResult result = Run(words);
    EXPECT_EQ(result.status, status) << result.err;
    EXPECT_THAT(result.err, testing::StartsWith("crema: "));
    EXPECT_EQ(SplitLines(result.err).size(), 1u) << result.err;
    EXPECT_EQ(result.out, "");
    for (const std::string& part : parts) EXPECT_THAT(result.err, testing::HasSubstr(part));
  }
  void ExpectUsageError(const Words& words, const Words& parts) const {
    ExpectError(words, parts, 2);
  }

  std::filesystem::path folder_;
};

}  // namespace crema
