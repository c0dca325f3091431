#include "train/solver_nets.h"

#include "train/train_test_util.h"

namespace crema {
namespace {

class SolverNetsTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  std::string File(const std::string& name, const std::string& text) const {
    return WriteTestFile(folder_ / name, text);
  }
  std::filesystem::path folder_;
};

TEST_F(SolverNetsTest, OneFileForAll) {
  const std::string file = File("net.prototxt", "name: 'n' state { stage: 'own' }");
  const auto solver = ParseSolver("net: '" + file + "' train_state { stage: 'train' } " +
                                  "test_iter: 0 test_iter: 7 test_interval: 1 " +
                                  "test_state { stage: 'a' } test_state { stage: 'b' level: 2 }");
  LogCapture log;
  const SolverNets nets = ReadSolverNets(solver, "");
  EXPECT_EQ(nets.train_file, file);
  EXPECT_EQ(nets.train->state().phase(), proto::TRAIN);
  ASSERT_EQ(nets.train->state().stage_size(), 2);
  EXPECT_EQ(nets.train->state().stage(0), "own");
  EXPECT_EQ(nets.train->state().stage(1), "train");
  ASSERT_EQ(nets.tests.size(), 1u);  // that without batches is left out, but keeps its number
  const TestNetText& test = nets.tests[0];
  EXPECT_EQ(test.number, 1);
  EXPECT_EQ(test.batches, 7);
  EXPECT_EQ(test.source, "net file: " + file);
  EXPECT_EQ(test.config->state().phase(), proto::TEST);
  EXPECT_EQ(test.config->state().stage(1), "b");
  EXPECT_EQ(test.config->state().level(), 2);
  EXPECT_EQ(log.With("Test net (#0) has test_iter: 0, so it is never tested").size(), 1u);
}

TEST_F(SolverNetsTest, ANetThatIsNotThereIsTheSolvers) {
  EXPECT_EQ(
      ErrorOf([] { ReadSolverNets(ParseSolver("net: 'no/such.prototxt'"), ""); }),
      "solver: its net 'no/such.prototxt' does not exist; correct the name, which counts from "
      "the current folder, not from the solver's");
  const std::string absent = (folder_ / "absent").string();
  EXPECT_EQ(ErrorOf([&] { ReadSolverNets(ParseSolver("train_net: '" + absent + "'"), ""); }),
            "solver: its net '" + absent + "' does not exist; correct the name");
}

TEST_F(SolverNetsTest, TestNetsOfTheirOwn) {
  const std::string file = File("test.prototxt", "name: 'file'");
  const auto solver = ParseSolver(
      "train_net_param { name: 'train' } test_net_param { name: 'inside' } test_net: '" + file +
      "' test_iter: 1 test_iter: 2 test_interval: 1");
  const SolverNets nets = ReadSolverNets(solver, "");
  EXPECT_EQ(nets.train->name(), "train");
  EXPECT_EQ(nets.train_file, "");
  ASSERT_EQ(nets.tests.size(), 2u);
  EXPECT_EQ(nets.tests[0].config->name(), "inside");
  EXPECT_EQ(nets.tests[0].source, "test_net_param");
  EXPECT_EQ(nets.tests[1].config->name(), "file");
  EXPECT_EQ(nets.tests[1].source, "test_net file: " + file);
  EXPECT_EQ(nets.tests[1].batches, 2);
}

TEST_F(SolverNetsTest, AnEngineIsThatOfAllNets) {
  const auto solver =
      ParseSolver("net_param { name: 'n' engine: 'ONEDNN' } test_iter: 1 test_interval: 1");
  const SolverNets own = ReadSolverNets(solver, ""), given = ReadSolverNets(solver, "CAFFE");
  EXPECT_EQ(own.train->engine(), "ONEDNN");
  EXPECT_EQ(given.train->engine(), "CAFFE");
  EXPECT_EQ(given.tests[0].config->engine(), "CAFFE");
}

}  // namespace
}  // namespace crema
