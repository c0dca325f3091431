// Solver files that people published, and what forks of Caffe put into theirs.
#include "schema/upgrade.h"
#include "train/train_test_util.h"

namespace crema {
namespace {

// The solver, with a tiny net for its own, which the folder may lack.
void TrainOneStep(proto::SolverParameter solver, const std::filesystem::path& folder) {
  for (const char* field : {"net", "net_param", "train_net", "train_net_param", "test_net",
                            "test_net_param", "weights"}) {
    solver.GetReflection()->ClearField(&solver, solver.GetDescriptor()->FindFieldByName(field));
  }
  *solver.mutable_net_param() = ParseSolver(TinyNet()).net_param();
  solver.set_snapshot_prefix((folder / "zoo").string());
  solver.set_test_initialization(false);
  const auto trainer = MakeTrainer(solver);
  trainer->Step(1);
  EXPECT_EQ(trainer->iteration(), 1);
}

TEST(ZooSolversTest, AllAreAccepted) {
  const std::filesystem::path nets = ZooFolder() / "nets";
  if (!std::filesystem::exists(nets)) GTEST_SKIP() << nets << " is not here; set CREMA_SHARED_DIR";
  const std::filesystem::path folder = TestFolder();
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(nets)) {
    const std::string name = entry.path().filename().string();
    if (!Contains(name, "solver") || entry.path().extension() != ".prototxt") continue;
    SCOPED_TRACE(entry.path());
    ++count;
    proto::SolverParameter solver;
    EXPECT_EQ(ErrorOf([&] {
                ReadSolverFile(entry.path().string(), &solver);
                TrainOneStep(solver, folder);
              }),
              "");
  }
  EXPECT_GT(count, 0);
}

// The fields that NVIDIA's, Intel's, SSD's and Smith's solver files use, each with its own.
TEST(ZooSolversTest, ForksAreAccepted) {
  const std::string common =
      "net: 'n.prototxt' momentum: 0.9 weight_decay: 0.0005 max_iter: 100 "
      "display: 50 solver_mode: GPU test_iter: 5 test_interval: 1000 ";
  const char* texts[] = {
      "base_lr: 0.5 min_lr: 1e-5 lr_policy: 'poly' power: 2 larc: true larc_turbo: true "
      "larc_policy: 'clip' larc_eta: 0.05 max_momentum: 0.95 momentum_policy: 'poly' "
      "momentum_power: 1 weight_decay_policy: 'poly' weight_decay_power: 1 solver_data_type: FLOAT",
      "base_lr: 0.2 rampup_lr: 0.001 rampup_interval: 10 lr_policy: 'fixed' solver_type: SAG "
      "store_blobs_in_old_format: true",
      "base_lr: 0.1 lr_policy: 'multistep' gamma: 0.1 stepvalue: 30 stepvalue: 60 warmup_iter: 10 "
      "warmup_start_lr: 0.01 local_lr_auto: true local_gw_ratio: 0.001 test_offset: 10",
      "base_lr: 0.1 lr_policy: 'multifixed' stagelr: 0.001 stagelr: 0.0001 stageiter: 50 "
      "stageiter: 80",
      "base_lr: 0.001 lr_policy: 'plateau' gamma: 0.1 plateau_winsize: 10 plateau_winsize: 20 "
      "eval_type: 'detection' ap_version: '11point' show_per_class_result: true",
      "base_lr: 0.1 lr_policy: 'triangular' max_lr: 3 stepsize: 50 start_lr_policy: 10"};
  for (const char* text : texts) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ErrorOf([&] { TrainOneStep(ParseSolver(common + text), TestFolder()); }), "");
  }
}

}  // namespace
}  // namespace crema
