#include "schema/upgrade.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "crema.pb.h"
#include "schema/old_formats.h"
#include "schema_test_util.h"

namespace crema {
namespace {

proto::NetParameter Parsed(const std::string& text) {
  proto::NetParameter net;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &net)) << text;
  return net;
}

// Expects that upgrading one text gives the other.
void ExpectUpgrade(const std::string& old, const std::string& wanted) {
  proto::NetParameter net;
  ReadNetText(old, "n", &net);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(net, Parsed(wanted)))
      << net.DebugString();
}

std::string UpgradeError(const std::string& text) {
  return ErrorOf([&] {
    proto::NetParameter net;
    ReadNetText(text, "n", &net);
  });
}

TEST(UpgradeNet, LeavesPresentNetsAlone) {
  const std::string text =
      "name: \"n\" layer { name: \"a\" type: \"ReLU\" bottom: \"x\" top: \"y\" }";
  proto::NetParameter net;
  EXPECT_TRUE(ReadNetText(text, "n", &net).empty());
  ExpectUpgrade(text, text);
}

TEST(UpgradeNet, ConvertsV1Layers) {
  ExpectUpgrade(
      "name: \"n\" force_backward: true debug_info: true state { level: 2 }"
      "layers { name: \"c\" type: CONVOLUTION bottom: \"x\" top: \"y\" blobs_lr: 1 blobs_lr: 2"
      " weight_decay: 0.5 param: \"w\" blob_share_mode: STRICT blob_share_mode: PERMISSIVE"
      " include { phase: TRAIN } exclude { stage: \"s\" } loss_weight: 3"
      " convolution_param { num_output: 4 kernel_size: 3 } blobs { num: 1 data: 5 } }"
      "layers { name: \"l\" type: SOFTMAX_LOSS loss_param { ignore_label: 255 } }",
      "name: \"n\" force_backward: true debug_info: true state { level: 2 }"
      "layer { name: \"c\" type: \"Convolution\" bottom: \"x\" top: \"y\""
      " param { name: \"w\" share_mode: STRICT lr_mult: 1 decay_mult: 0.5 }"
      " param { share_mode: PERMISSIVE lr_mult: 2 }"
      " include { phase: TRAIN } exclude { stage: \"s\" } loss_weight: 3"
      " convolution_param { num_output: 4 kernel_size: 3 } blobs { num: 1 data: 5 } }"
      "layer { name: \"l\" type: \"SoftmaxWithLoss\" loss_param { ignore_label: 255 } }");
}

// Every settings group of the format V1 has its equal in the present one.
TEST(UpgradeNet, KeepsEveryV1Setting) {
  proto::V1LayerParameter layer;
  const auto* type = layer.GetDescriptor();
  int groups = 0;
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    const bool is_group = field->message_type() != nullptr && !field->is_repeated();
    if (!is_group || field->name() == "layer") continue;
    proto::NetParameter net;
    auto* old = net.add_layers();
    old->GetReflection()->MutableMessage(old, field);
    UpgradeNet("n", &net);
    const auto* now = net.layer(0).GetDescriptor()->FindFieldByName(field->name());
    ASSERT_NE(now, nullptr) << field->name();
    EXPECT_TRUE(net.layer(0).GetReflection()->HasField(net.layer(0), now)) << field->name();
    ++groups;
  }
  EXPECT_EQ(groups, 30);
}

TEST(UpgradeNet, NamesEveryV1Type) {
  const auto* types = proto::V1LayerParameter::LayerType_descriptor();
  for (int i = 0; i < types->value_count(); ++i) {
    const std::string& word = types->value(i)->name();
    EXPECT_EQ(NameOfV1Type(types->value(i)->number()).empty(), word == "NONE") << word;
  }
  EXPECT_EQ(NameOfV1Type(4), "Convolution");
  EXPECT_EQ(NameOfV1Type(12345), "");
  EXPECT_EQ(NameOfV0Type("innerproduct"), "InnerProduct");
  EXPECT_EQ(NameOfV0Type("padding"), "");
}

TEST(UpgradeNet, MovesTransformations) {
  ExpectUpgrade(
      "layers { name: \"d\" type: DATA data_param { source: \"s\" scale: 0.5 mean_file: \"m\""
      " crop_size: 27 mirror: true } }"
      "layers { name: \"i\" type: IMAGE_DATA image_data_param { crop_size: 9 }"
      " transform_param { scale: 3 } }"
      "layers { name: \"w\" type: WINDOW_DATA window_data_param { mirror: false } }"
      "layers { name: \"o\" type: RELU data_param { scale: 4 } }",
      "layer { name: \"d\" type: \"Data\" data_param { source: \"s\" }"
      " transform_param { scale: 0.5 mean_file: \"m\" crop_size: 27 mirror: true } }"
      "layer { name: \"i\" type: \"ImageData\" image_data_param { }"
      " transform_param { scale: 3 crop_size: 9 } }"
      "layer { name: \"w\" type: \"WindowData\" window_data_param { }"
      " transform_param { mirror: false } }"
      "layer { name: \"o\" type: \"ReLU\" data_param { scale: 4 } }");
}

TEST(UpgradeNet, ConvertsV0Layers) {
  ExpectUpgrade(
      "name: \"n\""
      "layers { layer { name: \"d\" type: \"data\" source: \"s\" meanfile: \"m\" batchsize: 5"
      " cropsize: 27 mirror: true scale: 2 rand_skip: 7 } top: \"d\" top: \"l\" }"
      "layers { layer { name: \"c\" type: \"conv\" num_output: 9 kernelsize: 3 stride: 2 group: 3"
      " biasterm: false weight_filler { std: 0.1 } blobs_lr: 1 blobs_lr: 2 weight_decay: 0 }"
      " bottom: \"d\" top: \"c\" }"
      "layers { layer { name: \"p\" type: \"pool\" pool: AVE kernelsize: 2 pad: 1 }"
      " bottom: \"c\" top: \"p\" }"
      "layers { layer { name: \"n\" type: \"lrn\" local_size: 3 alpha: 4 beta: 5 k: 6 }"
      " bottom: \"p\" top: \"n\" }"
      "layers { layer { name: \"i\" type: \"images\" new_height: 8 shuffle_images: true }"
      " top: \"i\" }",
      "name: \"n\""
      "layer { name: \"d\" type: \"Data\" top: \"d\" top: \"l\""
      " data_param { source: \"s\" batch_size: 5 rand_skip: 7 }"
      " transform_param { mean_file: \"m\" crop_size: 27 mirror: true scale: 2 } }"
      "layer { name: \"c\" type: \"Convolution\" bottom: \"d\" top: \"c\""
      " param { lr_mult: 1 decay_mult: 0 } param { lr_mult: 2 }"
      " convolution_param { num_output: 9 kernel_size: 3 stride: 2 group: 3 bias_term: false"
      " weight_filler { std: 0.1 } } }"
      "layer { name: \"p\" type: \"Pooling\" bottom: \"c\" top: \"p\""
      " pooling_param { pool: AVE kernel_size: 2 pad: 1 } }"
      "layer { name: \"n\" type: \"LRN\" bottom: \"p\" top: \"n\""
      " lrn_param { local_size: 3 alpha: 4 beta: 5 k: 6 } }"
      "layer { name: \"i\" type: \"ImageData\" top: \"i\""
      " image_data_param { new_height: 8 shuffle: true } }");
}

TEST(UpgradeNet, MergesPaddingLayers) {
  ExpectUpgrade(
      "input: \"x\" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4 "
      "layers { layer { name: \"pad\" type: \"padding\" pad: 2 } bottom: \"x\" top: \"padded\" }"
      "layers { layer { name: \"c\" type: \"conv\" pad: 1 } bottom: \"padded\" top: \"c\" }",
      "layer { name: \"input\" type: \"Input\" top: \"x\""
      " input_param { shape { dim: 1 dim: 2 dim: 3 dim: 4 } } }"
      "layer { name: \"c\" type: \"Convolution\" bottom: \"x\" top: \"c\""
      " convolution_param { pad: 2 } }");
}

TEST(UpgradeNet, RefusesWhatV0DoesNotAllow) {
  EXPECT_EQ(UpgradeError("layers { layer { name: \"c\" type: \"cnv\" } }"),
            "n: layer \"c\": the format V0 has no layer type \"cnv\"; did you mean \"conv\"?");
  EXPECT_EQ(UpgradeError("layers { layer { name: \"c\" type: \"conv\" } bottom: \"x\" }"),
            "n: layer \"c\": no layer before it produces its bottom \"x\"");
  EXPECT_EQ(
      UpgradeError("input: \"x\""
                   "layers { layer { name: \"p\" type: \"padding\" } bottom: \"x\" top: \"y\" }"
                   "layers { layer { name: \"r\" type: \"relu\" } bottom: \"y\" top: \"z\" }"),
      "n: layer \"r\": reads the padding layer \"p\", which only conv and pool layers can, not "
      "relu");
}

TEST(UpgradeNet, NotesUselessV0Settings) {
  proto::NetParameter net;
  const auto notes =
      ReadNetText("layers { layer { name: \"r\" type: \"relu\" kernelsize: 3 } }", "n", &net);
  ASSERT_FALSE(notes.empty());
  EXPECT_EQ(notes[0],
            "layer \"r\": \"kernelsize\" has no meaning for a relu layer and was ignored");
}

TEST(UpgradeNet, NotesTransformationsThatHaveNoEffect) {
  proto::NetParameter net;
  const std::string text =
      "layer { name: \"d\" type: \"Data\" data_param { scale: 0.5 } transform_param { scale: 2 } }"
      "layer { name: \"i\" type: \"ImageData\" image_data_param { mirror: true batch_size: 2 } }"
      "layer { name: \"w\" type: \"WindowData\" window_data_param { crop_size: 9 } }";
  const std::vector<std::string> notes = ReadNetText(text, "n", &net);
  EXPECT_EQ(notes,
            (std::vector<std::string>{
                "layer \"d\": \"scale\" has no effect in data_param, as in Caffe; move it to "
                "transform_param",
                "layer \"i\": \"mirror\" has no effect in image_data_param, as in Caffe; move "
                "it to transform_param"}));
  EXPECT_EQ(net.layer(0).transform_param().scale(), 2);
}

TEST(UpgradeNet, NotesScalesThatLeaveNothing) {
  proto::NetParameter net;
  const std::vector<std::string> notes = ReadNetText(
      "layer { name: \"d\" type: \"Data\" transform_param { scale: 0 } }"
      "layer { name: \"e\" type: \"Data\" transform_param { mirror: true } }",
      "n", &net);
  EXPECT_EQ(notes,
            std::vector<std::string>{
                "layer \"d\": \"scale: 0\" in transform_param makes all pixels 0; remove it, "
                "or use another number"});
}

TEST(UpgradeNet, NotesThatRecurrentStepsAreNotLogged) {
  proto::NetParameter net;
  const std::vector<std::string> notes = ReadNetText(
      "layer { name: \"l\" type: \"LSTM\" recurrent_param { debug_info: true } } "
      "layer { name: \"r\" type: \"RNN\" recurrent_param { debug_info: false } }",
      "n", &net);
  EXPECT_EQ(notes, std::vector<std::string>{
                       "layer \"l\": \"debug_info\" has no effect in recurrent_param, because the "
                       "steps are not separate layers in crema"});
}

TEST(UpgradeNet, RefusesAMixtureOfFormats) {
  EXPECT_EQ(UpgradeError("layer { name: \"a\" } layers { name: \"b\" }"),
            "n: the net has both \"layer\" (\"a\") and \"layers\" (\"b\"); write all layers in one "
            "of the two formats");
}

TEST(UpgradeNet, SaysThatAnInputHasNoShape) {
  const std::string sentence =
      "n: input \"data\" has no shape; give it after the input, as in input_shape { dim: 1 dim: 3 "
      "dim: 224 dim: 224 }, or use an Input layer with the top \"data\"";
  const auto error_of = [](const std::string& text) {
    proto::NetParameter net;
    return ErrorOf([&] { ReadNetText(text, "n", &net); });
  };
  const std::string reader = "layer { name: 'r' type: 'ReLU' bottom: 'data' top: ";
  EXPECT_EQ(error_of("input: 'data' " + reader + "'r' }"), sentence);
  EXPECT_EQ(error_of("input: 'data' " + reader + "'data' }"), sentence);  // in place
  // Weights name inputs without shapes, and a layer may make what is named so.
  EXPECT_EQ(error_of("input: 'data' layer { name: 'r' type: 'ReLU' }"), "");
  EXPECT_EQ(
      error_of("input: 'data' layer { name: 'd' type: 'Data' top: 'data' }" + reader + "'r' }"),
      "");
}

TEST(UpgradeNet, TakesTheRoundingThatForksWrite) {
  const auto upgraded = [](const std::string& options) {
    proto::NetParameter net;
    ReadNetText("layer { name: 'p' type: 'Pooling' pooling_param { " + options + " } }", "n", &net);
    return net.layer(0).pooling_param();
  };
  for (const char* floor : {"ceil_mode: false", "torch_pooling: true", "ceil_mode: 0 round_mode: 1",
                            "ceil_mode: false torch_pooling: true"}) {
    const proto::PoolingParameter pooling = upgraded(floor);
    EXPECT_EQ(pooling.round_mode(), proto::PoolingParameter::FLOOR) << floor;
    EXPECT_FALSE(pooling.has_ceil_mode() || pooling.has_torch_pooling()) << floor;
  }
  EXPECT_EQ(upgraded("ceil_mode: true").round_mode(), proto::PoolingParameter::CEIL);
  EXPECT_EQ(upgraded("torch_pooling: false").round_mode(), proto::PoolingParameter::CEIL);
  // What contradicts itself stays for the layer to refuse.
  EXPECT_TRUE(upgraded("ceil_mode: false round_mode: CEIL").has_ceil_mode());
  EXPECT_TRUE(upgraded("ceil_mode: true torch_pooling: true").has_torch_pooling());
}

TEST(UpgradeNet, LeavesOutTheEnginesOfForks) {
  proto::NetParameter net;
  const std::vector<std::string> notes = ReadNetText("engine: 'MKL2017'", "n", &net);
  EXPECT_FALSE(net.has_engine());
  EXPECT_EQ(notes.size(), 1u);
  ReadNetText("engine: 'CAFFE'", "n", &net);
  EXPECT_EQ(net.engine(), "CAFFE");
}

TEST(UpgradeNet, ConvertsInputs) {
  ExpectUpgrade(
      "input: \"a\" input: \"b\" input_shape { dim: 7 } input_shape { dim: 8 dim: 9 }"
      "layer { name: \"r\" } layer { name: \"s\" }",
      "layer { name: \"input\" type: \"Input\" top: \"a\" top: \"b\""
      " input_param { shape { dim: 7 } shape { dim: 8 dim: 9 } } }"
      "layer { name: \"r\" } layer { name: \"s\" }");
  ExpectUpgrade("input: \"a\" layer { name: \"r\" }", "layer { name: \"r\" }");
  EXPECT_EQ(UpgradeError("input: \"a\" input_dim: 1 input_dim: 2"),
            "n: input \"a\" has no shape: there are 1 inputs but 2 numbers in input_dim; each "
            "input needs 4");
  EXPECT_EQ(UpgradeError("input: \"a\" input: \"b\" input_shape { dim: 1 }"),
            "n: input \"b\" has no shape: there are 2 inputs but 1 input_shape");
}

TEST(UpgradeNet, FixesBatchNormStatistics) {
  ExpectUpgrade(
      "layer { type: \"BatchNorm\" param { lr_mult: 0 } param { name: \"n\" } param { } }"
      "layer { type: \"BatchNorm\" param { lr_mult: 2 } }",
      "layer { type: \"BatchNorm\" param { lr_mult: 0 decay_mult: 0 }"
      " param { name: \"n\" lr_mult: 0 decay_mult: 0 } param { lr_mult: 0 decay_mult: 0 } }"
      "layer { type: \"BatchNorm\" param { lr_mult: 2 } }");
}

std::vector<std::string> ReadSolver(const std::string& text, proto::SolverParameter* solver) {
  const auto path = TestFolder() / "my.solver.prototxt";
  return ReadSolverFile(WriteTestFile(path, text), solver);
}

TEST(UpgradeSolver, ConvertsTheType) {
  const std::pair<const char*, const char*> types[] = {
      {"SGD", "SGD"},         {"NESTEROV", "Nesterov"}, {"ADAGRAD", "AdaGrad"},
      {"RMSPROP", "RMSProp"}, {"ADADELTA", "AdaDelta"}, {"ADAM", "Adam"}};
  for (const auto& [old, now] : types) {
    proto::SolverParameter solver;
    EXPECT_FALSE(ReadSolver(std::string("solver_type: ") + old, &solver).empty());
    EXPECT_EQ(solver.type(), now);
    EXPECT_FALSE(solver.has_solver_type());
  }
  const std::string error = ErrorOf([&] {
    proto::SolverParameter solver;
    ReadSolver("type: \"Adam\" solver_type: ADAM", &solver);
  });
  EXPECT_TRUE(Contains(error, "both \"solver_type\" and \"type\"")) << error;
}

TEST(UpgradeSolver, UpgradesNetsInside) {
  proto::SolverParameter solver;
  ReadSolver("train_net_param { layers { type: RELU } } test_net_param { layers { type: TANH } }",
             &solver);
  EXPECT_EQ(solver.train_net_param().layer(0).type(), "ReLU");
  EXPECT_EQ(solver.test_net_param(0).layer(0).type(), "TanH");
}

TEST(UpgradeSolver, SettlesTheSnapshotPrefix) {
  proto::SolverParameter solver;
  ReadSolver("base_lr: 1", &solver);
  EXPECT_EQ(solver.snapshot_prefix(), (TestFolder() / "my.solver").string());
  ReadSolver("snapshot_prefix: \"snaps/a\"", &solver);
  EXPECT_EQ(solver.snapshot_prefix(), "snaps/a");
  const std::string folder = testing::TempDir();
  ReadSolver("snapshot_prefix: \"" + folder + "\"", &solver);
  EXPECT_EQ(solver.snapshot_prefix(), (std::filesystem::path(folder) / "my.solver").string());
}

TEST(UpgradeNet, UpgradesPublishedNets) {
  const auto folder = ZooFolder() / "nets";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no published nets at " << folder;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (entry.path().extension() != ".prototxt" || !Contains(path, "BVLC+caffe")) continue;
    if (Contains(entry.path().filename().string(), "solver")) {
      proto::SolverParameter solver;
      EXPECT_EQ(ErrorOf([&] { ReadSolverFile(path, &solver); }), "");
      continue;
    }
    proto::NetParameter net;
    EXPECT_EQ(ErrorOf([&] { ReadNetFile(path, &net); }), "");
    EXPECT_EQ(net.layers_size() + net.input_size(), 0) << path;
    EXPECT_GT(net.layer_size(), 3) << path;
    for (const auto& layer : net.layer()) EXPECT_NE(layer.type(), "") << path;
    EXPECT_TRUE(UpgradeNet(path, &net).empty()) << path;
  }
}

}  // namespace
}  // namespace crema
