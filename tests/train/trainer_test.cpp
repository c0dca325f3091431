// The training loop: iterations, tests, actions from outside, options.
#include <cmath>

#include "data/record_writer.h"
#include "schema/binary_io.h"
#include "schema/weights_io.h"
#include "train/train_test_util.h"

namespace crema {
namespace {

class TrainerTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  proto::SolverParameter Solver(const std::string& more = "") const {
    return ParseSolver(TinySolver(folder_), more);
  }
  std::string SolverError(const std::string& more) const {
    return ErrorOf([&] { MakeTrainer(Solver(more)); });
  }
  std::filesystem::path folder_;
};

using Names = std::vector<std::string>;

TEST_F(TrainerTest, LearnsToTellTheOnlyClass) {
  const auto trainer = MakeTrainer(Solver("max_iter: 100"));
  trainer->Step(1);
  const double first = trainer->net().loss().ToHost<double>()[0];
  EXPECT_TRUE(trainer->Train());
  EXPECT_EQ(trainer->iteration(), 100);
  EXPECT_LT(trainer->net().loss().ToHost<double>()[0], first / 10);
}

TEST_F(TrainerTest, RefusesTestsOfNetsThatAreNotThere) {
  const auto trainer = MakeTrainer(Solver());
  EXPECT_EQ(ErrorOf([&] { trainer->Test(0); }),
            "there is no test net number 0; the solver has 0, counted from 0");
}

TEST_F(TrainerTest, EqualSeedsGiveEqualWeights) {
  const auto train = [&](const std::string& more) {
    const auto trainer = MakeTrainer(Solver(more));
    trainer->Step(5);
    return WeightsOf(*trainer);
  };
  EXPECT_EQ(train(""), train(""));
  EXPECT_NE(train(""), train("random_seed: 6"));
}

// iter_size batches of constants are one batch of them.
TEST_F(TrainerTest, IterSizeAveragesTheGradients) {
  const auto train = [&](const std::string& more) {
    proto::SolverParameter solver = Solver(more);
    solver.mutable_net_param()
        ->mutable_layer(0)
        ->mutable_dummy_data_param()
        ->mutable_data_filler(0)
        ->set_type("constant");
    solver.mutable_net_param()
        ->mutable_layer(0)
        ->mutable_dummy_data_param()
        ->mutable_data_filler(0)
        ->set_value(0.5);
    const auto trainer = MakeTrainer(solver, "", nullptr, DType::kFloat64);
    trainer->Step(5);
    return WeightsOf(*trainer);
  };
  const auto one = train(""), three = train("iter_size: 3");
  for (size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], three[i], 1e-12);
}

TEST_F(TrainerTest, StopsWhenItIsAskedTo) {
  int asked = 0;
  LogCapture log;
  const auto trainer =
      MakeTrainer(Solver(), "", [&] { return ++asked == 3 ? Action::kStop : Action::kNone; });
  EXPECT_FALSE(trainer->Train());
  EXPECT_EQ(trainer->iteration(), 3);
  EXPECT_EQ(FilesIn(folder_), (Names{"tiny_iter_3.caffemodel", "tiny_iter_3.solverstate"}));
  EXPECT_EQ(log.lines().back(), "Optimization stopped early.");
  EXPECT_TRUE(log.With("Optimization Done.").empty());
  EXPECT_TRUE(trainer->Train());  // and goes on when it is asked to
  EXPECT_EQ(trainer->iteration(), 10);
}

TEST_F(TrainerTest, StepGoesOnAfterAStop) {
  int asked = 0;
  const auto trainer =
      MakeTrainer(Solver(), "", [&] { return ++asked == 3 ? Action::kStop : Action::kNone; });
  EXPECT_FALSE(trainer->Step(5));
  EXPECT_TRUE(trainer->Step(5));
  EXPECT_EQ(trainer->iteration(), 8);
}

TEST_F(TrainerTest, SnapshotsWhenItIsAskedTo) {
  int asked = 0;
  const auto trainer = MakeTrainer(Solver("snapshot_after_train: false"), "", [&] {
    return ++asked == 3 ? Action::kSnapshot : Action::kNone;
  });
  EXPECT_TRUE(trainer->Train());
  EXPECT_EQ(FilesIn(folder_), (Names{"tiny_iter_3.caffemodel", "tiny_iter_3.solverstate"}));
}

// The poll comes before each of the test's batches: 2 after iterations 0 and 1, then the test.
TEST_F(TrainerTest, ActionsWorkDuringTests) {
  for (const Action action : {Action::kSnapshot, Action::kStop}) {
    SetUp();
    int asked = 0;
    LogCapture log;
    const auto trainer =
        MakeTrainer(Solver("test_iter: 3 test_interval: 2 test_initialization: false max_iter: 4 "
                           "snapshot_after_train: false"),
                    "", [&] { return ++asked == 4 ? action : Action::kNone; });
    const bool stops = action == Action::kStop;
    EXPECT_EQ(trainer->Train(), !stops);
    EXPECT_EQ(trainer->iteration(), stops ? 2 : 4);
    EXPECT_EQ(log.With("Test interrupted.").size(), stops ? 1u : 0u);
    EXPECT_EQ(log.With("Test net output #0").size(), stops ? 0u : 2u);
    const Names written = {"tiny_iter_2.caffemodel", "tiny_iter_2.solverstate"};
    EXPECT_EQ(FilesIn(folder_), stops ? Names{} : written);
  }
}

// A host program may give the same answer until it is content.
TEST_F(TrainerTest, APollThatRepeatsItselfDoesNotHangTests) {
  const std::string more = "test_iter: 3 test_interval: 2 max_iter: 4 snapshot_after_train: false";
  int asked = 0;
  const auto saves = MakeTrainer(Solver(more), "", [&] {
    EXPECT_LT(++asked, 100);
    return Action::kSnapshot;
  });
  EXPECT_TRUE(saves->Train());
  Names expected;
  for (int i = 0; i <= 4; ++i) {
    expected.push_back(Concat("tiny_iter_", i, ".caffemodel"));
    expected.push_back(Concat("tiny_iter_", i, ".solverstate"));
  }
  EXPECT_EQ(FilesIn(folder_), expected);
  const auto stops = MakeTrainer(Solver(more), "", [] { return Action::kStop; });
  EXPECT_FALSE(stops->Train());
  EXPECT_EQ(stops->iteration(), 0);
  EXPECT_TRUE(stops->Test(0).empty());
}

// The last test is missing, so the training is not done.
TEST_F(TrainerTest, AStopInTheLastTestIsAStop) {
  LogCapture log;
  int asked = 0;
  const std::string more = "test_iter: 2 test_interval: 4 test_initialization: false max_iter: 4";
  const auto trainer =
      MakeTrainer(Solver(more), "", [&] { return ++asked == 6 ? Action::kStop : Action::kNone; });
  EXPECT_FALSE(trainer->Train());
  EXPECT_EQ(log.lines().back(), "Optimization stopped early.");
  LogCapture resumed;
  EXPECT_TRUE(MakeTrainer(Solver(more), Path("tiny_iter_4.solverstate"))->Train());
  EXPECT_EQ(resumed.With("Test net output #0").size(), 1u);
}

TEST_F(TrainerTest, AStoppedTestIsRepeatedOnResuming) {
  const std::string more = "test_iter: 3 test_interval: 2 test_initialization: false max_iter: 4";
  LogCapture whole;
  ASSERT_TRUE(MakeTrainer(Solver(more))->Train());
  const auto expected = whole.ResultsFrom(2);
  int asked = 0;
  ASSERT_FALSE(MakeTrainer(Solver(more), "", [&] {
                 return ++asked == 4 ? Action::kStop : Action::kNone;
               })->Train());
  LogCapture resumed;
  ASSERT_TRUE(MakeTrainer(Solver(more), Path("tiny_iter_2.solverstate"))->Train());
  EXPECT_EQ(resumed.ResultsFrom(2), expected);
}

TEST_F(TrainerTest, TestsAtTheirInterval) {
  const auto tests = [&](const std::string& more) {
    LogCapture log;
    MakeTrainer(Solver("test_iter: 1 test_interval: 4 " + more))->Train();
    return log.With("Testing net");
  };
  EXPECT_EQ(tests(""), (Names{"Iteration 0, Testing net (#0)", "Iteration 4, Testing net (#0)",
                              "Iteration 8, Testing net (#0)"}));
  EXPECT_EQ(tests("test_initialization: false max_iter: 8"),
            (Names{"Iteration 4, Testing net (#0)", "Iteration 8, Testing net (#0)"}));
}

// Batches of 2 from 5 records with values 10, 20, 30, 40, 50: the three batches of the first test
// hold (10 20), (30 40), (50 10), the next test goes on with 20.
TEST_F(TrainerTest, TestMeansAreOverBatches) {
  {
    RecordWriter writer(Backend::kLmdb, Path("five"));
    for (int i = 0; i < 5; ++i) {
      proto::Datum datum;
      datum.set_channels(1);
      datum.set_height(1);
      datum.set_width(1);
      datum.set_label(i);
      datum.set_data(std::string(1, static_cast<char>(10 * (i + 1))));
      writer.Put(Concat(i), datum.SerializeAsString());
    }
    writer.Finish();
  }
  const auto trainer = MakeTrainer(
      Solver("test_net_param { layer { name: 'd' type: 'Data' "
             "top: 'value' top: 'label' data_param { source: '" +
             Path("five") + "' batch_size: 2 backend: LMDB } } } test_iter: 3 test_interval: 5"));
  ASSERT_EQ(trainer->test_nets(), 1);
  // label #0, label #1 (outputs are sorted by name), value #0, value #1
  const std::vector<double> first = {(0 + 2 + 4) / 3.0, (1 + 3 + 0) / 3.0, 90 / 3.0, 70 / 3.0};
  const std::vector<double> second = {(1 + 3 + 0) / 3.0, (2 + 4 + 1) / 3.0, 70 / 3.0, 100 / 3.0};
  EXPECT_EQ(trainer->Test(0), first);
  EXPECT_EQ(trainer->Test(0), second);
}

TEST_F(TrainerTest, SeveralTestNetsHaveTheirOwnStates) {
  proto::SolverParameter solver = Solver(
      "test_iter: 2 test_iter: 3 test_interval: 5 test_state { stage: 'a' } "
      "test_state { stage: 'b' level: 2 } max_iter: 5");
  for (const std::string stage : {"a", "b"}) {
    proto::LayerParameter* layer = solver.mutable_net_param()->add_layer();
    layer->set_name("accuracy_" + stage);
    layer->set_type("Accuracy");
    layer->add_bottom("fc");
    layer->add_bottom("label");
    layer->add_top("accuracy_" + stage);
    proto::NetStateRule* rule = layer->add_include();
    rule->set_phase(proto::TEST);
    rule->add_stage(stage);
    if (stage == "b") rule->set_min_level(2);
  }
  LogCapture log;
  const auto trainer = MakeTrainer(solver);
  ASSERT_EQ(trainer->test_nets(), 2);
  EXPECT_NE(trainer->test_net(0).FindBlob("accuracy_a"), nullptr);
  EXPECT_EQ(trainer->test_net(0).FindBlob("accuracy_b"), nullptr);
  EXPECT_EQ(trainer->test_net(1).FindBlob("accuracy_a"), nullptr);
  EXPECT_NE(trainer->test_net(1).FindBlob("accuracy_b"), nullptr);
  EXPECT_EQ(trainer->net().FindBlob("accuracy_a"), nullptr);
  EXPECT_TRUE(trainer->Train());
  EXPECT_EQ(log.With("Testing net (#1)").size(), 2u);
  EXPECT_EQ(log.With("Test net output #0: accuracy_b = ").size(), 2u);
  EXPECT_EQ(log.With("Creating test net (#1) specified by net_param").size(), 1u);
}

// Own test nets come first, then copies of the generic net, as many as test_iter says.
TEST_F(TrainerTest, TestNetsComeFromAllPlaces) {
  WriteTestFile(folder_ / "test.prototxt",
                "name: 'file' layer { name: 'd' type: 'DummyData' top: 'x' "
                "dummy_data_param { shape { dim: 1 } data_filler { value: 3 } } }");
  const auto trainer =
      MakeTrainer(Solver("test_net: '" + Path("test.prototxt") +
                         "' test_net_param { name: 'inside' layer { name: 'd' "
                         "type: 'DummyData' top: 'y' dummy_data_param { shape { dim: 1 } } } } "
                         "test_iter: 1 test_iter: 1 test_iter: 1 test_interval: 5"));
  ASSERT_EQ(trainer->test_nets(), 3);
  EXPECT_EQ(trainer->test_net(0).name(), "inside");
  EXPECT_EQ(trainer->test_net(1).name(), "file");
  EXPECT_EQ(trainer->test_net(2).name(), "tiny");
  EXPECT_EQ(trainer->Test(1), std::vector<double>{3});
}

// Tests see the weights as they are now.
TEST_F(TrainerTest, TestNetsShareTheWeights) {
  const auto trainer = MakeTrainer(Solver("test_iter: 1 test_interval: 100"));
  const double before = trainer->Test(0)[0];
  trainer->Step(30);
  EXPECT_LT(trainer->Test(0)[0], before / 2);
}

void WriteWeights(const std::string& path, const std::string& layer, float value) {
  proto::NetParameter net;
  proto::LayerParameter* saved = net.add_layer();
  saved->set_name(layer);
  saved->set_type("InnerProduct");
  SavedBlob weight, bias;
  weight.shape = {2, 3};
  weight.data.assign(6, value);
  bias.shape = {2};
  bias.data.assign(2, value + 1);
  ToProto(weight, false, saved->add_blobs());
  ToProto(bias, false, saved->add_blobs());
  WriteTestFile(path, net.SerializeAsString());
}

// Random data differs from test to test, and is the same again in another run.
TEST_F(TrainerTest, EachTestDrawsAnew) {
  const std::string more = "test_iter: 1 test_interval: 100";
  const auto trainer = MakeTrainer(Solver(more)), twin = MakeTrainer(Solver(more));
  const auto first = trainer->Test(0), second = trainer->Test(0);
  EXPECT_NE(first, second);
  EXPECT_EQ(twin->Test(0), first);
  EXPECT_EQ(twin->Test(0), second);
}

// A later file wins where both have a layer.
TEST_F(TrainerTest, WeightsComeFromLists) {
  WriteWeights(Path("a"), "fc", 3);
  WriteWeights(Path("b"), "fc", 5);
  WriteWeights(Path("c"), "fc", 7);
  const auto first_weight = [&](const std::string& weights, size_t files) {
    LogCapture log;
    const auto trainer = MakeTrainer(Solver(weights));
    EXPECT_EQ(log.With("Finetuning from ").size(), files);
    return trainer->net().param(0).data_tensor().ToHost<float>()[0];
  };
  EXPECT_EQ(first_weight("weights: '" + Path("a") + ", " + Path("b") + "'", 2), 5);
  EXPECT_EQ(first_weight(
                "weights: '" + Path("a") + "," + Path("b") + "' weights: '" + Path("c") + "'", 3),
            7);
  const std::string error = SolverError("weights: '" + Path("a") + "," + Path("none") + "'");
  EXPECT_TRUE(Contains(error, Path("none") + ": cannot be opened")) << error;
}

TEST_F(TrainerTest, ListsWhatBecameOfTheWeights) {
  WriteWeights(Path("a"), "fc", 3);
  WriteWeights(Path("b"), "elsewhere", 5);
  LogCapture log;
  MakeTrainer(Solver("weights: '" + Path("a") + "'"));
  const auto table = log.With(
      "Weights: 1 layer copied, 0 layers of the file not in the net, 0 layers of the net not in "
      "the file");
  ASSERT_EQ(table.size(), 1u);
  EXPECT_TRUE(Contains(table[0], "fc (2x3, 2)"));
  const std::string error = SolverError("weights: '" + Path("b") + "'");
  EXPECT_TRUE(Contains(error, "none of its layers (elsewhere)")) << error;
}

// Caffe takes these too.
TEST_F(TrainerTest, TakesWhatMakesNoDifference) {
  for (const char* more : {"test_iter: 0 test_interval: 1", "test_iter: 0", "test_iter: -1",
                           "test_interval: -1", "regularization_type: 'none' weight_decay: 0"}) {
    SetUp();
    LogCapture log;
    const auto trainer = MakeTrainer(Solver(std::string(more) + " max_iter: 2"));
    EXPECT_TRUE(trainer->Train()) << more;
    EXPECT_EQ(trainer->test_nets(), 0) << more;
    EXPECT_EQ(log.With("Testing net").size(), 0u) << more;
  }
}

TEST_F(TrainerTest, WarnsOfARegularizationThatHasNoEffect) {
  LogCapture log;
  MakeTrainer(Solver("regularization_type: 'L3'"));
  EXPECT_EQ(log.With("regularization_type is 'L3', which has no effect").size(), 1u);
}

// The others keep their numbers, their states and their test_iter.
TEST_F(TrainerTest, ATestIterOfZeroLeavesOutThatNet) {
  proto::SolverParameter solver = Solver(
      "test_iter: 0 test_iter: 2 test_interval: 4 max_iter: 4 test_state { stage: 'none' } "
      "test_state { stage: 'all' } snapshot_after_train: false");
  proto::LayerParameter* fc = solver.mutable_net_param()->mutable_layer(1);
  fc->add_exclude()->add_stage("none");  // such a net could not even be built
  LogCapture log;
  const auto trainer = MakeTrainer(solver);
  EXPECT_TRUE(trainer->Train());
  EXPECT_EQ(trainer->test_nets(), 1);
  EXPECT_EQ(log.With("Test net (#0) has test_iter: 0, so it is never tested").size(), 1u);
  EXPECT_EQ(log.With("Testing net (#0)").size(), 0u);
  EXPECT_EQ(log.With("Iteration 4, Testing net (#1)").size(), 1u);
}

TEST_F(TrainerTest, ExplainsBadSolvers) {
  const std::pair<const char*, const char*> cases[] = {
      {"average_loss: 0", "average_loss is 0"},
      {"iter_size: 0", "iter_size is 0"},
      {"max_iter: -1", "max_iter is -1"},
      {"display: -1", "display is -1, but must be from 0 to 2147483647"},
      {"snapshot: -1", "snapshot is -1, but must be from 0 to 2147483647"},
      {"weight_decay: 0.1 regularization_type: 'L3'", "'L3'"},
      {"weight_decay: -0.1", "weight_decay is -0.1, but must be at least 0"},
      {"clip_gradients: 0", "clip_gradients is 0, which would make all gradients 0; use -1"},
      {"delta: -1", "delta is -1, but must be at least 0"},
      {"momentum: -0.1", "momentum is -0.1, but must be at least 0"},
      {"momentum: 1.9", "momentum is 1.9, but must be at least 0 and less than 1"},
      {"lr_policy: 'stpe'", "did you mean 'step'?"},
      {"type: 'Adm'", "unknown type 'Adm'; did you mean 'Adam'?"},
      {"type: 'sgd'", "unknown type 'sgd'; did you mean 'SGD'?"},
      {"type: 'Conjugate'", "the types are AdaDelta, "},
      {"test_iter: 1", "set test_interval"},
      {"test_iter: 1 test_interval: -5", "test_interval is -5"},
      {"test_iter: 1 test_interval: 1 test_state {} test_state {}", "2 test_state for 1"},
      {"test_net: 'x' test_interval: 1", "0 test_iter for 1 test net;"},
      {"net: 'x.prototxt'", "more than one train net"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string error = SolverError(text);
    EXPECT_TRUE(Contains(error, expected)) << text << ": " << error;
    EXPECT_FALSE(Contains(error, "\n")) << error;
  }
  proto::SolverParameter none = Solver();
  none.clear_net_param();
  EXPECT_TRUE(Contains(ErrorOf([&] { MakeTrainer(none); }), "there is no train net"));
  none.set_net(Path("missing.prototxt"));
  EXPECT_TRUE(Contains(ErrorOf([&] { MakeTrainer(none); }), "missing.prototxt' does not exist"));
}

TEST_F(TrainerTest, WarnsOfAnIntervalWithoutTests) {
  LogCapture log;
  MakeTrainer(Solver("test_interval: 2"));
  EXPECT_EQ(log.With("test_interval is set without test_iter, so nothing is tested").size(), 1u);
}

TEST_F(TrainerTest, ANetThatIsToLearnNeedsALoss) {
  proto::SolverParameter solver = Solver("max_iter: 2");
  solver.mutable_net_param()->mutable_layer()->RemoveLast();
  const std::string error = ErrorOf([&] { MakeTrainer(solver); });
  EXPECT_TRUE(Contains(error, "has no loss, so its parameters cannot learn")) << error;
  EXPECT_TRUE(Contains(error, "SoftmaxWithLoss")) << error;
}

// A net that cannot learn is allowed, as in Caffe, but not passed over.
TEST_F(TrainerTest, WarnsWhereNothingLearns) {
  proto::SolverParameter solver = Solver("max_iter: 2 display: 1 base_lr: 0");
  solver.mutable_net_param()->mutable_layer()->RemoveLast();
  LogCapture log;
  const auto trainer = MakeTrainer(solver);
  EXPECT_EQ(log.warnings().size(), 1u);
  const auto before = WeightsOf(*trainer);
  EXPECT_TRUE(trainer->Train());
  EXPECT_EQ(WeightsOf(*trainer), before);
}

TEST_F(TrainerTest, FrozenParametersStay) {
  proto::SolverParameter solver = Solver("weight_decay: 0.5");
  solver.mutable_net_param()->mutable_layer(1)->add_param()->set_lr_mult(0);
  const auto trainer = MakeTrainer(solver);
  const auto weight = trainer->net().param(0).data_tensor().ToHost<float>();
  const auto bias = trainer->net().param(1).data_tensor().ToHost<float>();
  trainer->Step(3);
  EXPECT_EQ(trainer->net().param(0).data_tensor().ToHost<float>(), weight);
  EXPECT_NE(trainer->net().param(1).data_tensor().ToHost<float>(), bias);
}

TEST_F(TrainerTest, BadLabelsAreAnError) {
  proto::SolverParameter solver = Solver();
  solver.mutable_net_param()
      ->mutable_layer(0)
      ->mutable_dummy_data_param()
      ->mutable_data_filler(1)
      ->set_value(2);
  const std::string error = ErrorOf([&] { MakeTrainer(solver)->Train(); });
  EXPECT_TRUE(Contains(error, "layer 'loss'")) << error;
}

// One learned weight layer and its bias in two layers: one blob in memory, in the state once.
TEST_F(TrainerTest, SharedParametersAreUpdatedOnce) {
  proto::SolverParameter solver = Solver("max_iter: 4");
  proto::LayerParameter* fc = solver.mutable_net_param()->mutable_layer(1);
  fc->add_param()->set_name("w");
  fc->add_param()->set_name("b");
  proto::LayerParameter second = *fc;
  second.set_name("fc2");
  second.set_top(0, "fc2");
  proto::LayerParameter loss = solver.net_param().layer(2);
  loss.set_name("loss2");
  loss.set_bottom(0, "fc2");
  loss.set_top(0, "loss2");
  *solver.mutable_net_param()->add_layer() = second;
  *solver.mutable_net_param()->add_layer() = loss;
  const auto trainer = MakeTrainer(solver, "", nullptr, DType::kFloat64);
  ASSERT_TRUE(trainer->Train());
  EXPECT_EQ(ReadState(Path("tiny_iter_4.solverstate")).history_size(), 2);
  EXPECT_EQ(ReadWeightsFile(Path("tiny_iter_4.caffemodel")).back().name, "loss2");
  EXPECT_EQ(
      MakeTrainer(solver, Path("tiny_iter_4.solverstate"), nullptr, DType::kFloat64)->iteration(),
      4);
  // Two equal losses are twice the gradient of one.
  const auto doubled =
      MakeTrainer(Solver("max_iter: 4 base_lr: 0.2"), "", nullptr, DType::kFloat64);
  ASSERT_TRUE(doubled->Train());
  const auto a = WeightsOf(*trainer), b = WeightsOf(*doubled);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-7);
}

}  // namespace
}  // namespace crema
