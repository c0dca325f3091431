// The batch size that fits into memory, and that no memory is taken before.
#include "train/memory_check.h"

#include <regex>

#include "train/train_test_util.h"

namespace crema {
namespace {

class MemoryCheckTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  // A batch of 64 and a layer of 1000 units: about 4 kB an item, twice, and 4 MB of parameters.
  std::string Error(const std::string& net, size_t room, const std::string& more = "") const {
    TrainOptions options;
    options.memory_limit = room;
    return ErrorOf([&] {
      Trainer(ParseSolver(net + TinySolver(folder_).substr(TinyNet().size()), more), options);
    });
  }
  static std::string Net(int batch) {
    return Concat(R"(net_param { layer { name: "data" type: "DummyData" top: "data" top: "label"
        dummy_data_param { shape { dim: )",
                  batch, R"( dim: 1000 } shape { dim: )", batch, R"( } } }
      layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 1000 } }
      layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" } } )");
  }
  // Of a sentence that names one.
  static int LargestIn(const std::string& error) {
    std::smatch match;
    const std::regex pattern("a batch_size of ([0-9]+) instead of 64");
    return std::regex_search(error, match, pattern) ? std::stoi(match[1]) : 0;
  }
  std::filesystem::path folder_;
};

TEST_F(MemoryCheckTest, SaysWhichBatchWouldFit) {
  EXPECT_EQ(Error(Net(64), 20 << 20), "");
  EXPECT_EQ(Error(Net(64), 0), "");  // that of the machine
  const size_t room = 12500000;      // parameters, gradients and momentum are 12.01 MB
  const std::string error = Error(Net(64), room);
  EXPECT_TRUE(Contains(error, "training would take ")) << error;
  EXPECT_TRUE(Contains(error, "and there is 12.5 MB")) << error;
  EXPECT_FALSE(Contains(error, "\n")) << error;
  const int largest = LargestIn(error);
  ASSERT_GT(largest, 5) << error;
  EXPECT_EQ(Error(Net(largest), room), "");
  EXPECT_NE(Error(Net(largest + 1), room), "");
}

TEST_F(MemoryCheckTest, CountsTheSolversMemory) {
  EXPECT_EQ(Error(Net(4), 13 << 20), "");
  const std::string error = Error(Net(4), 13 << 20, "type: 'Adam'");
  EXPECT_TRUE(Contains(error, "no batch size")) << error;
}

TEST_F(MemoryCheckTest, ScalesWhateverHasABatchSize) {
  MakeImages((folder_ / "images").string(), 5, 3, 32, 2);
  const std::string net = R"(net_param { layer { name: "data" type: "Data" top: "data" top: "label"
        data_param { source: ")" +
                          (folder_ / "images").string() + R"(" batch_size: 64
          backend: LMDB } }
      layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
        inner_product_param { num_output: 10 } }
      layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" } } )";
  const int largest = LargestIn(Error(net, 700000));
  EXPECT_GT(largest, 5);
  EXPECT_LT(largest, 64);
}

TEST_F(MemoryCheckTest, TellsThePlanBeforeTraining) {
  LogCapture log;
  MakeTrainer(ParseSolver(TinySolver(folder_)))->Train();
  ASSERT_EQ(log.With("Memory planned: ").size(), 1u);
  EXPECT_TRUE(Contains(log.With("Memory planned: ")[0], "training net ")) << log.lines()[0];
}

}  // namespace
}  // namespace crema
