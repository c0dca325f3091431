// What training does about losses, gradients and weights that are not finite, about bad labels, and
// about snapshots that cannot be written.
#include <limits>

#include "crema/context.h"
#include "device/fake.h"
#include "math/vector_ops.h"
#include "train/train_test_util.h"
#include "util/file_size_limit.h"

namespace crema {
namespace {

using Names = std::vector<std::string>;

class FailureTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  proto::SolverParameter Solver(const std::string& more = "") const {
    return ParseSolver(TinySolver(folder_), more);
  }
  static std::unique_ptr<Trainer> OnFakeGpu(const proto::SolverParameter& solver) {
    TrainOptions options;
    options.device = OpenFakeDevice();
    return std::make_unique<Trainer>(solver, options);
  }
  static void SetInput(double value, proto::SolverParameter* solver) {
    proto::FillerParameter* filler = solver->mutable_net_param()
                                         ->mutable_layer(0)
                                         ->mutable_dummy_data_param()
                                         ->mutable_data_filler(0);
    filler->set_type("constant");
    filler->set_value(static_cast<float>(value));
  }
  std::filesystem::path folder_;
};

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Element by element, on the CPU and on the fake GPU; the first mark stays.
TEST(NoteNonFinite, FindsThem) {
  for (const auto& device : {OpenDevice(DeviceKind::kCpu), OpenFakeDevice()}) {
    const Context ctx(device, 1);
    const VectorOps& ops = VectorOpsFor(device->kind());
    const Tensor note(device, DType::kFloat64, Shape{1});
    for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
      for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
        for (const size_t at : {size_t{0}, size_t{4999}, size_t{9999}}) {
          const Tensor x(device, dtype, Shape{10000});
          std::vector<float> values(10000, std::numeric_limits<float>::max());
          x.FromHost(values);
          note.FromHost(std::vector<double>{-1});
          ops.NoteNonFinite(ctx, x, 6, note);
          EXPECT_EQ(note.ToHost<double>()[0], -1);  // large is finite
          values[at] = bad;
          x.FromHost(values);
          ops.NoteNonFinite(ctx, x, 7, note);
          ops.NoteNonFinite(ctx, x, 8, note);
          EXPECT_EQ(note.ToHost<double>()[0], 7) << bad << " at " << at;
        }
      }
    }
  }
}

TEST_F(FailureTest, TheFirstBadInputEndsTraining) {
  proto::SolverParameter solver = Solver("snapshot: 2");
  const auto trainer = MakeTrainer(solver);
  trainer->Step(4);
  const Names before = FilesIn(folder_);
  EXPECT_EQ(before.size(), 4u);
  SetInput(kInfinity, &solver);
  const auto bad = MakeTrainer(solver, Path("tiny_iter_4.solverstate"));
  const std::string error = ErrorOf([&] { bad->Train(); });
  EXPECT_TRUE(Contains(error, "iteration 4: ")) << error;
  EXPECT_TRUE(Contains(error, "blob 'data' of layer 'data' (DummyData) (12 of 12 values")) << error;
  EXPECT_FALSE(Contains(error, "\n")) << error;
  EXPECT_EQ(FilesIn(folder_), before);
  EXPECT_EQ(bad->iteration(), 4);  // the update was not made
}

// The products of large inputs overflow: the data are fine, the layer after them is not.
TEST_F(FailureTest, NamesTheFirstBlobInForwardOrder) {
  proto::SolverParameter solver = Solver();
  SetInput(3e38, &solver);
  proto::LayerParameter* fc = solver.mutable_net_param()->mutable_layer(1);
  fc->mutable_inner_product_param()->mutable_weight_filler()->set_type("constant");
  fc->mutable_inner_product_param()->mutable_weight_filler()->set_value(3);
  const std::string error = ErrorOf([&] { MakeTrainer(solver)->Train(); });
  EXPECT_TRUE(Contains(error, "iteration 0: ")) << error;
  EXPECT_TRUE(Contains(error, "first blob 'fc' of layer 'fc' (InnerProduct) (8 of 8 values"))
      << error;
}

// The loss is finite, its gradient is not.
TEST_F(FailureTest, NamesABadGradient) {
  proto::SolverParameter solver = Solver();
  proto::NetParameter* net = solver.mutable_net_param();
  proto::LayerParameter* loss = net->mutable_layer(2);
  loss->set_type("EuclideanLoss");
  net->mutable_layer(0)->mutable_dummy_data_param()->mutable_shape(1)->add_dim(2);
  loss->add_loss_weight(1e30f);
  SetInput(1e15, &solver);
  net->mutable_layer(1)->mutable_inner_product_param()->mutable_weight_filler()->set_value(0);
  net->mutable_layer(1)->mutable_inner_product_param()->mutable_weight_filler()->set_type(
      "constant");
  const std::string error = ErrorOf([&] { MakeTrainer(solver)->Train(); });
  EXPECT_TRUE(Contains(error, "iteration 0: ")) << error;
  EXPECT_TRUE(Contains(error, "the gradient of parameter 0 of layer 'fc' (InnerProduct)")) << error;
}

// Statistics that the search for the bad blob would move stay as they are, and data are read again.
TEST_F(FailureTest, FindsTheRecordThatWasBad) {
  MakeImages(Path("images"), 5, 1, 2, 2);
  const std::string net =
      "net_param { layer { name: 'data' type: 'Data' top: 'data' top: 'label' "
      "data_param { source: '" +
      Path("images") +
      "' batch_size: 2 backend: LMDB } } "
      "layer { name: 'power' type: 'Power' bottom: 'label' top: 'power' "
      "power_param { power: -1 } } "  // 1 / 0 for the records of class 0
      "layer { name: 'filter' type: 'Power' bottom: 'power' top: 'filter' } "
      "layer { name: 'bn' type: 'BatchNorm' bottom: 'data' top: 'bn' } "
      "layer { name: 'fc' type: 'InnerProduct' bottom: 'bn' top: 'fc' inner_product_param { "
      "num_output: 1 } } "
      "layer { name: 'loss' type: 'EuclideanLoss' bottom: 'fc' bottom: 'filter' top: 'loss' } } ";
  const auto trainer = MakeTrainer(ParseSolver(net + "base_lr: 0.1 lr_policy: 'fixed' max_iter: 3 "
                                                     "snapshot_after_train: false"));
  const std::string error = ErrorOf([&] { trainer->Train(); });
  EXPECT_TRUE(Contains(error, "iteration 0: ")) << error;
  EXPECT_TRUE(Contains(error, "blob 'power' of layer 'power' (Power) (1 of 2 values")) << error;
  // One batch has been counted in, not two.
  EXPECT_EQ(trainer->net().param(2).data_tensor().ToHost<double>()[0], 1);
}

TEST_F(FailureTest, GoesOnWhereItIsToldTo) {
  proto::SolverParameter solver = Solver("stop_at_non_finite: false snapshot: 2");
  SetInput(kInfinity, &solver);
  LogCapture log;
  const auto trainer = MakeTrainer(solver);
  EXPECT_TRUE(trainer->Step(6));
  EXPECT_EQ(log.With("Iteration 0: the loss or a gradient is not finite").size(), 1u);
  EXPECT_EQ(log.With("such weights are not saved").size(), 3u);
  EXPECT_EQ(FilesIn(folder_), Names{});
  EXPECT_NE(ErrorOf([&] { trainer->Train(); }), "");  // the last snapshot
}

// The gradient is finite, but the step is not.
TEST_F(FailureTest, BadWeightsAreNotSaved) {
  proto::SolverParameter solver = Solver("base_lr: 3e38 snapshot: 1");
  solver.mutable_net_param()->mutable_layer(1)->add_param()->set_lr_mult(1e6f);
  const auto trainer = MakeTrainer(solver);
  LogCapture log;
  const std::string error = ErrorOf([&] { trainer->Train(); });
  EXPECT_TRUE(Contains(error, "of layer 'fc'")) << error;
  EXPECT_EQ(log.With("Snapshotting"), Names{}) << error;
  EXPECT_EQ(FilesIn(folder_), Names{});
}

// After one step of this size the weights are finite, but no longer the loss.
proto::SolverParameter LeapingSolver(proto::SolverParameter solver) {
  solver.set_base_lr(1e25f);
  solver.set_max_iter(1);
  solver.mutable_net_param()->mutable_layer(2)->set_type("EuclideanLoss");
  solver.mutable_net_param()
      ->mutable_layer(0)
      ->mutable_dummy_data_param()
      ->mutable_shape(1)
      ->add_dim(2);
  return solver;
}

TEST_F(FailureTest, ABadLossInTheLastPassIsAnError) {
  for (const bool on_gpu : {false, true}) {
    const auto solver = LeapingSolver(Solver("display: 1"));
    const auto trainer = on_gpu ? OnFakeGpu(solver) : MakeTrainer(solver);
    LogCapture log;
    const std::string error = ErrorOf([&] { trainer->Train(); });
    EXPECT_TRUE(Contains(error, "iteration 1: the loss or a gradient is infinite")) << error;
    EXPECT_TRUE(Contains(error, "first blob 'loss' of layer 'loss' (EuclideanLoss)")) << error;
    EXPECT_EQ(log.With("Optimization Done").size(), 0u);
    EXPECT_EQ(FilesIn(folder_), Names{});  // nor a half of one
  }
}

// It was saved, and said so, before anybody could know.
TEST_F(FailureTest, ASnapshotBeforeTheLastPassStays) {
  EXPECT_NE(ErrorOf([&] { MakeTrainer(LeapingSolver(Solver("display: 1 snapshot: 1")))->Train(); }),
            "");
  EXPECT_EQ(FilesIn(folder_), (Names{"tiny_iter_1.caffemodel", "tiny_iter_1.solverstate"}));
}

// No last pass, so nobody knows.
TEST_F(FailureTest, TheLastPassMayGoOn) {
  EXPECT_TRUE(MakeTrainer(LeapingSolver(Solver("")))->Train());
  LogCapture log;
  const auto trainer = MakeTrainer(LeapingSolver(Solver("display: 1 stop_at_non_finite: false")));
  EXPECT_TRUE(trainer->Train());
  EXPECT_EQ(log.With("Iteration 1: the loss or a gradient is not finite").size(), 1u);
  EXPECT_EQ(log.With("Iteration 1, loss = inf").size(), 1u);
  EXPECT_EQ(FilesIn(folder_), (Names{"tiny_iter_1.caffemodel", "tiny_iter_1.solverstate"}));
}

TEST_F(FailureTest, ABadLossInATestIsAnError) {
  const std::string test = "test_iter: 2 test_interval: 1 test_initialization: false ";
  const auto trainer = MakeTrainer(LeapingSolver(Solver(test + "max_iter: 5")));
  const std::string error = ErrorOf([&] { trainer->Train(); });
  EXPECT_TRUE(Contains(error, "iteration 1: in batch 0 of test net #0 the loss is infinite"))
      << error;
  EXPECT_TRUE(Contains(error, "first blob 'loss' of layer 'loss' (EuclideanLoss)")) << error;
  EXPECT_FALSE(Contains(error, "\n")) << error;
  // It was whole before the test began, and its weights are finite.
  EXPECT_EQ(FilesIn(folder_), (Names{"tiny_iter_1.caffemodel", "tiny_iter_1.solverstate"}));
  LogCapture log;
  EXPECT_TRUE(MakeTrainer(LeapingSolver(Solver(test + "stop_at_non_finite: false")))->Train());
  EXPECT_EQ(log.With("in batch 0 of test net #0 the loss is infinite").size(), 1u);
  EXPECT_EQ(log.With("Optimization Done").size(), 1u);
}

// Other outputs of a test may be what they like: an accuracy of no labels, say.
TEST_F(FailureTest, AnOutputThatIsNoLossMayBeInfinite) {
  proto::SolverParameter solver =
      Solver("test_iter: 1 test_interval: 1 max_iter: 1 snapshot_after_train: false");
  proto::LayerParameter* log_layer = solver.mutable_net_param()->add_layer();
  log_layer->set_name("log");
  log_layer->set_type("Log");
  log_layer->add_bottom("label");
  log_layer->add_top("log");
  log_layer->add_include()->set_phase(proto::TEST);
  solver.mutable_net_param()
      ->mutable_layer(0)
      ->mutable_dummy_data_param()
      ->mutable_data_filler(1)
      ->set_value(0);
  LogCapture log;
  EXPECT_TRUE(MakeTrainer(solver)->Train());
  EXPECT_GT(log.With("log = -inf").size(), 0u);
}

// On a GPU nobody looks before a number is displayed; the iteration is the right one all the same.
TEST_F(FailureTest, AGpuTellsAtTheNextDisplay) {
  proto::SolverParameter solver = Solver("display: 4 max_iter: 20 base_lr: 1e30");
  solver.mutable_net_param()->mutable_layer(2)->set_type("EuclideanLoss");
  solver.mutable_net_param()
      ->mutable_layer(0)
      ->mutable_dummy_data_param()
      ->mutable_shape(1)
      ->add_dim(2);
  const auto cpu = MakeTrainer(solver), gpu = OnFakeGpu(solver);
  const std::string expected = ErrorOf([&] { cpu->Train(); });
  const std::string error = ErrorOf([&] { gpu->Train(); });
  ASSERT_NE(expected, "");
  const std::string iteration = expected.substr(0, expected.find(':'));
  EXPECT_LT(cpu->iteration(), 4) << expected;
  EXPECT_TRUE(Contains(error, iteration + ": ")) << error << ", expected: " << expected;
  EXPECT_EQ(gpu->iteration(), 4);
  EXPECT_EQ(FilesIn(folder_), Names{});
}

// Without a display: at the latest before anything is saved.
TEST_F(FailureTest, AGpuTellsOfBadLabelsBeforeItSaves) {
  proto::SolverParameter solver = Solver("snapshot: 3");
  solver.mutable_net_param()
      ->mutable_layer(0)
      ->mutable_dummy_data_param()
      ->mutable_data_filler(1)
      ->set_value(2);
  const auto gpu = OnFakeGpu(solver);
  const std::string error = ErrorOf([&] { gpu->Train(); });
  EXPECT_TRUE(Contains(error, "layer 'loss'")) << error;
  EXPECT_EQ(gpu->iteration(), 3);
  EXPECT_EQ(FilesIn(folder_), Names{});
  solver.set_snapshot(0);
  solver.set_snapshot_after_train(false);
  EXPECT_NE(ErrorOf([&] { OnFakeGpu(solver)->Train(); }), "");
}

TEST_F(FailureTest, AFullDiskIsAWarningUntilTheEnd) {
  const auto trainer = MakeTrainer(Solver("snapshot: 2"));
  trainer->Step(4);
  const Names before = FilesIn(folder_);
  LogCapture log;
  {
    const FileSizeLimit limit(32);
    EXPECT_TRUE(trainer->Step(4));
    EXPECT_EQ(log.warnings().size(), 2u);
    EXPECT_TRUE(Contains(log.warnings()[0], "The snapshot of iteration 6 could not be saved"));
    EXPECT_TRUE(Contains(log.warnings()[0], "File too large"));
    EXPECT_EQ(FilesIn(folder_), before);
    const std::string error = ErrorOf([&] { trainer->Train(); });  // the last one, of iteration 10
    EXPECT_TRUE(Contains(error, "tiny_iter_10.caffemodel: cannot be written")) << error;
  }
  EXPECT_EQ(FilesIn(folder_), before);
  trainer->Snapshot();  // there is room again
  EXPECT_EQ(FilesIn(folder_).size(), before.size() + 2);
}

}  // namespace
}  // namespace crema
