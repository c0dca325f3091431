// A predictor gives its net's numbers, in the sizes that it is given, or says what is wrong.
#include "predict/predict_test_util.h"
#include "util/limited_device.h"

namespace crema::test {
namespace {

class PredictorTest : public PredictTest {};
CREMA_ON_ALL_DEVICES(PredictorTest);

TEST_P(PredictorTest, GivesTheNumbersOfTheNet) {
  for (const std::string& text : {Classifier(kImages), FullyConvolutional(kImages)}) {
    Predictor predictor = MakePredictor(text);
    const auto net = MakeTestNet(text);
    for (uint64_t seed : {1, 2}) {
      const std::vector<float> values = RandomFloats(2 * 3 * 64, seed);
      predictor.Input("data").Set(values);
      predictor.Run();
      const OutputView prob = predictor.Output("prob");
      EXPECT_EQ(ToVector(prob), RunNet(*net, values));
      EXPECT_EQ(prob.shape(), net->FindBlob("prob")->shape());
      EXPECT_EQ(prob.name(), "prob");
      EXPECT_EQ(static_cast<int64_t>(prob.size()), prob.shape().count());
    }
  }
}

TEST_P(PredictorTest, AnInputCanBeWrittenInPlace) {
  Predictor predictor = MakePredictor(Classifier(kImages));
  const std::vector<float> values = RandomFloats(2 * 3 * 64, 1);
  const InputView input = predictor.Input();
  EXPECT_EQ(input.name(), "data");
  EXPECT_EQ(input.shape(), (Shape{2, 3, 8, 8}));
  ASSERT_EQ(input.count(), static_cast<int64_t>(values.size()));
  EXPECT_EQ(std::vector<float>(input.data(), input.data() + input.count()),
            std::vector<float>(values.size()));
  std::copy(values.begin(), values.end(), input.data());
  predictor.Run();
  const std::vector<float> first = ToVector(predictor.Output());
  predictor.Input().Set(values.data());
  predictor.Run();
  EXPECT_EQ(ToVector(predictor.Output()), first);
}

// Also where the first layer works in place.
TEST_P(PredictorTest, AnInputStaysAsItIs) {
  const std::string text = Input("data", {1, 4}) +
                           Layer("half", "Power", {"data"}, {"data"}, "power_param { scale: 0.5 }");
  Predictor predictor = MakePredictor(text);
  const std::vector<float> values = {1, 2, 3, 4};
  predictor.Input().Set(values);
  for (int run = 0; run < 2; ++run) {
    predictor.Run();
    EXPECT_EQ(ToVector(predictor.Output("data")), (std::vector<float>{0.5, 1, 1.5, 2}));
    EXPECT_EQ(std::vector<float>(predictor.Input().data(), predictor.Input().data() + 4), values);
  }
}

TEST_P(PredictorTest, OutputsStayUntilTheNextRun) {
  Predictor predictor = MakePredictor(Classifier(kImages));
  predictor.Input().Set(RandomFloats(2 * 3 * 64, 1));
  predictor.Run();
  const OutputView output = predictor.Output();
  const std::vector<float> before = ToVector(output);
  predictor.Input().Set(RandomFloats(2 * 3 * 64, 2));
  EXPECT_EQ(ToVector(output), before);
  EXPECT_EQ(predictor.Output().data(), output.data());
}

TEST_P(PredictorTest, ReshapesToWhatItIsGiven) {
  const std::string text = FullyConvolutional(kImages);
  Predictor predictor = MakePredictor(text);
  for (const Shape& shape : {Shape{1, 3, 12, 8}, Shape{5, 3, 4, 4}, Shape{2, 3, 8, 8}}) {
    const std::vector<float> values = RandomFloats(shape.count(), 3);
    predictor.Input().Set(values, shape);
    predictor.Run();
    const auto dims = shape.dims();
    const auto fresh =
        MakeTestNet(FullyConvolutional(Input("data", std::vector<int>(dims.begin(), dims.end()))));
    EXPECT_EQ(ToVector(predictor.Output()), RunNet(*fresh, values)) << shape.ToString();
    EXPECT_EQ(predictor.Output().shape(), fresh->FindBlob("prob")->shape());
    EXPECT_EQ(predictor.Input().shape(), shape);
  }
}

TEST_P(PredictorTest, TheBatchIsAnOptionAndCanChange) {
  const std::string text = Classifier(kImages);
  PredictorOptions options = OnDevice();
  options.batch = 5;
  Predictor predictor(WriteNet(text), WriteWeights(text), options);
  EXPECT_EQ(predictor.Input().shape(), (Shape{5, 3, 8, 8}));
  predictor.Run();
  EXPECT_EQ(predictor.Output().shape(), (Shape{5, 7}));
  predictor.SetBatch(3);
  EXPECT_EQ(predictor.Input().shape(), (Shape{3, 3, 8, 8}));
  const std::vector<float> values = RandomFloats(3 * 3 * 64, 1);
  predictor.Input().Set(values);
  predictor.Run();
  const auto net = MakeTestNet(Classifier(Input("data", {3, 3, 8, 8})));
  EXPECT_EQ(ToVector(predictor.Output()), RunNet(*net, values));
}

TEST_P(PredictorTest, ARefusedShapeChangesNothing) {
  Predictor predictor = MakePredictor(Classifier(kImages));
  const std::vector<float> values = RandomFloats(2 * 3 * 64, 1);
  predictor.Input().Set(values);
  predictor.Run();
  const std::vector<float> before = ToVector(predictor.Output());
  ExpectError(
      [&] {
        predictor.Input().Set(RandomFloats(300, 1), Shape{1, 3, 10, 10});
      },
      {"layer 'fc' (InnerProduct)", "need"});
  ExpectError([&] { predictor.Input().Reshape(Shape{2, 3}); }, {"layer 'c1' (Convolution)"});
  EXPECT_EQ(ToVector(predictor.Output()), before);
  EXPECT_EQ(predictor.Input().shape(), (Shape{2, 3, 8, 8}));
  EXPECT_EQ(std::vector<float>(predictor.Input().data(), predictor.Input().data() + values.size()),
            values);
  predictor.Run();
  EXPECT_EQ(ToVector(predictor.Output()), before);
}

TEST_P(PredictorTest, ValuesMayComeFromTheInputItself) {
  Predictor predictor = MakePredictor(FullyConvolutional(kImages));
  const std::vector<float> values = RandomFloats(2 * 3 * 64, 1);
  const InputView input = predictor.Input();
  input.Set(values);
  input.Set(input.data() + 3 * 64, Shape{1, 3, 8, 8});
  EXPECT_EQ(std::vector<float>(input.data(), input.data() + input.count()),
            std::vector<float>(values.begin() + 3 * 64, values.end()));
}

TEST_P(PredictorTest, SeveralInputsAreReshapedTogether) {
  const std::string text = Input("a", {2, 3}) + Input("b", {2, 3}) +
                           Layer("sum", "Eltwise", {"a", "b"}, {"sum"}) +
                           Layer("twice", "Power", {"a"}, {"twice"}, "power_param { scale: 2 }");
  Predictor predictor = MakePredictor(text);
  EXPECT_EQ(predictor.inputs(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(predictor.outputs(), (std::vector<std::string>{"sum", "twice"}));
  ExpectError([&] { predictor.Input("a").Reshape(Shape{1, 3}); }, {"layer 'sum' (Eltwise)"});
  predictor.Reshape({{"a", Shape{1, 2}}, {"b", Shape{1, 2}}});
  predictor.Input("a").Set({1, 2});
  predictor.Input("b").Set({10, 20});
  predictor.Run();
  EXPECT_EQ(ToVector(predictor.Output("sum")), (std::vector<float>{11, 22}));
  EXPECT_EQ(ToVector(predictor.Output("twice")), (std::vector<float>{2, 4}));
  ExpectError([&] { predictor.Input(); }, {"deploy.prototxt", "which input", "a, b"});
  ExpectError([&] { predictor.Output(); }, {"deploy.prototxt", "which output", "sum, twice"});
}

TEST_P(PredictorTest, AWrongInputIsAnErrorAndTheNextRunIsRight) {
  const std::string text = Input("data", {2, 3}) + Input("label", {2}) +
                           Layer("loss", "SoftmaxWithLoss", {"data", "label"}, {"loss"});
  Predictor predictor = MakePredictor(text);
  predictor.Input("data").Set({1, 2, 3, 3, 2, 1});
  predictor.Run();
  const std::vector<float> before = ToVector(predictor.Output());
  predictor.Input("label").Set({0, 7});
  ExpectError([&] { predictor.Run(); }, {"layer 'loss'", "7"});
  ExpectError([&] { predictor.Output(); }, {"'loss' has no values yet", "Run"});
  predictor.Input("label").Set({0, 0});
  predictor.Run();
  EXPECT_EQ(ToVector(predictor.Output()), before);
}

TEST_P(PredictorTest, MayBeMoved) {
  Predictor first = MakePredictor(Classifier(kImages));
  const InputView input = first.Input();
  Predictor second = std::move(first);
  input.Set(RandomFloats(2 * 3 * 64, 1));
  second.Run();
  const std::vector<float> before = ToVector(second.Output());
  first = std::move(second);
  first.Run();
  EXPECT_EQ(ToVector(first.Output()), before);
}

// Weights as they are, and nothing that only a backward pass needs.
TEST_P(PredictorTest, HoldsNoGradients) {
  const std::string loss = Layer("loss", "Reduction", {"prob"}, {"loss"}, "loss_weight: 1");
  for (const std::string& text : {Classifier(kImages) + loss, FullyConvolutional(kImages) + loss}) {
    const Net training(ParseNet(text), OpenTestDevice(device()));
    ASSERT_GT(training.flat_gradients().count(), 0);
    const Predictor predictor = MakePredictor(text);
    const Net& net = predictor.net();
    EXPECT_EQ(net.phase(), Phase::kTest);
    EXPECT_EQ(net.memory().gradients, 0u);
    EXPECT_EQ(net.memory().param_gradients, 0u);
    EXPECT_EQ(net.flat_gradients().count(), 0);
    EXPECT_GT(net.flat_params().count(), 0);
    for (size_t p = 0; p < net.graph().params.size(); ++p) {
      EXPECT_FALSE(net.param(static_cast<int>(p)).has_diff()) << p;
    }
    EXPECT_LT(predictor.memory_bytes(), training.memory().Total());
  }
}

// On the CPU, where devices differ in nothing.
class PredictorFilesTest : public PredictTest {};
INSTANTIATE_TEST_SUITE_P(Cpu, PredictorFilesTest, testing::Values(DeviceKind::kCpu));

TEST_P(PredictorFilesTest, ShapesThatAreImpossible) {
  Predictor predictor = MakePredictor(Classifier(kImages));
  for (int64_t extent : {int64_t{-3}, int64_t{1} << 60}) {  // which Shape::at does not check
    Shape shape = predictor.Input().shape();
    shape.at(0) = shape.at(1) = extent;
    ExpectError([&] { predictor.Reshape({{"data", shape}}); }, {"the shape ", Concat(extent)});
    ExpectError([&] { predictor.Input().Reshape(shape); }, {"'data'", Concat(extent)});
    ExpectError([&] { predictor.Input().Set(std::vector<float>(9), shape); }, {Concat(extent)});
    ExpectError([&] { predictor.SetBatch(extent); },
                {Concat("deploy.prototxt: Predictor::SetBatch was given ", extent)});
  }
}

TEST_P(PredictorFilesTest, NamesThatAreWrong) {
  Predictor predictor = MakePredictor(Classifier(kImages));
  predictor.Run();
  ExpectError([&] { predictor.Input("dta"); },
              {"deploy.prototxt: the net has no input 'dta'", "did you mean 'data'?"});
  ExpectError([&] { predictor.Input("prob"); }, {"no input 'prob'", "it has data"});
  ExpectError([&] { predictor.Output("prb"); }, {"no output 'prb'", "did you mean 'prob'?"});
  ExpectError([&] { predictor.Output("data"); }, {"'data' is not an output", "keep_blobs"});
  ExpectError([&] { predictor.Output("fc"); }, {"'fc' is not an output", "keep_blobs", "prob"});
  ExpectError([&] { predictor.Reshape({{"fc", Shape{1}}}); }, {"no input 'fc'"});
}

TEST_P(PredictorFilesTest, SizesThatAreWrong) {
  Predictor predictor = MakePredictor(Classifier(kImages));
  const InputView input = predictor.Input();
  ExpectError([&] { input.Set(std::vector<float>(383)); },
              {"'data' of shape 2 3 8 8 (384)", "383 values", "exactly 384"});
  ExpectError([&] { input.Set(std::vector<float>(385), Shape{2, 3, 8, 8}); }, {"385 values"});
  ExpectError([&] { input.Set(std::vector<float>(384), Shape{1, 3, 8, 8}); }, {"exactly 192"});
  EXPECT_EQ(input.shape(), (Shape{2, 3, 8, 8}));
}

TEST_P(PredictorFilesTest, OutputsNeedARun) {
  Predictor predictor = MakePredictor(FullyConvolutional(kImages));
  ExpectError([&] { predictor.Output(); }, {"deploy.prototxt", "'prob' has no values yet"});
  predictor.Run();
  predictor.Output();
  predictor.SetBatch(1);
  ExpectError([&] { predictor.Output(); }, {"call Run first"});
  predictor.Run();
  EXPECT_EQ(predictor.Output().shape()[0], 1);
}

TEST_P(PredictorFilesTest, AllBlobsCanBeKept) {
  const std::string text = Classifier(kImages);
  PredictorOptions options;
  options.keep_blobs = true;
  Predictor predictor(WriteNet(text), WriteWeights(text), options);
  const std::vector<float> values = RandomFloats(2 * 3 * 64, 1);
  predictor.Input().Set(values);
  predictor.Run();
  NetOptions net_options;
  net_options.fuse = false;
  net_options.keep_blobs = true;
  const auto net = MakeTestNet(text, net_options);
  for (const char* blob : {"c1", "c1_pool", "fc", "prob", "data"}) {
    EXPECT_EQ(ToVector(predictor.Output(blob)), RunNet(*net, values, blob)) << blob;
  }
  ExpectError([&] { predictor.Output("c1_pol"); }, {"no output", "did you mean 'c1_pool'?"});
  ExpectError([&] { predictor.Output("nowhere"); }, {"no output 'nowhere'; it has prob"});
}

TEST_P(PredictorFilesTest, Hdf5WeightsAreRead) {
  const std::string text = Classifier(kImages);
  proto::NetParameter saved;
  WriteWeights(text);
  MakeTestNet(text)->ToProto(&saved, false);
  const std::string weights =
      WriteTestFile(At("net.caffemodel.h5"), Hdf5WeightsBytes(saved, "net.caffemodel.h5"));
  Predictor predictor(WriteNet(text), weights);
  const std::vector<float> values = RandomFloats(2 * 3 * 64, 1);
  predictor.Input().Set(values);
  predictor.Run();
  EXPECT_EQ(ToVector(predictor.Output()), RunNet(*MakeTestNet(text), values));
}

TEST_P(PredictorFilesTest, OldFormatsAreUpgraded) {
  const std::string layers =
      "input: 'data' input_dim: 2 input_dim: 3 input_dim: 8 input_dim: 8 "
      "layers { name: 'fc' type: INNER_PRODUCT bottom: 'data' top: 'fc' inner_product_param { "
      "num_output: 4 weight_filler { type: 'gaussian' std: 0.5 } } } "
      "layers { name: 'prob' type: SOFTMAX bottom: 'fc' top: 'prob' }";
  std::vector<std::string> lines;
  PredictorOptions options;
  options.log = [&](const std::string& line) { lines.push_back(line); };
  Predictor predictor(WriteNet(layers), WriteWeights(layers), options);
  const std::vector<float> values = RandomFloats(2 * 3 * 64, 1);
  predictor.Input().Set(values);
  predictor.Run();
  EXPECT_EQ(ToVector(predictor.Output()), RunNet(*MakeTestNet(layers), values));
  ASSERT_GT(lines.size(), 2u);
  EXPECT_NE(lines[0].find("deploy.prototxt: "), std::string::npos) << lines[0];
  EXPECT_NE(lines.back().find("fc (4x192, 4)"), std::string::npos) << lines.back();
  for (const std::string& line : lines) EXPECT_EQ(line.find('\n'), std::string::npos) << line;
}

TEST_P(PredictorFilesTest, ANetForTrainingNeedsInputs) {
  const std::string loss = Layer("loss", "SoftmaxWithLoss", {"fc", "label"}, {"loss"});
  const std::string fc = Product("fc", "data", "fc", 3);
  const std::string from_file =
      Layer("mnist", "Data", {}, {"data", "label"},
            "data_param { source: 'none' batch_size: 2 } transform_param { crop_size: 56 }");
  ExpectError([&] { Predictor(WriteNet(from_file + fc + loss), ""); },
              {"deploy.prototxt", "no inputs in phase TEST", "layer 'mnist' (Data)", "deploy file",
               "type: 'Input' top: 'data'", "dim: 56 dim: 56"});
  const auto only_in = [](const std::string& phase) { return "include { phase: " + phase + " } "; };
  const std::string text =
      Layer("mnist", "Data", {}, {"data", "label"},
            only_in("TRAIN") + "data_param { source: 'none' batch_size: 2 }") +
      Layer("mnist", "Input", {}, {"data", "label"},
            only_in("TEST") + "input_param { shape { dim: 2 dim: 4 } shape { dim: 2 } }") +
      fc + loss;
  PredictorOptions options;
  options.partial_weights = true;
  Predictor predictor(WriteNet(text), "", options);
  EXPECT_EQ(predictor.inputs(), (std::vector<std::string>{"data", "label"}));
  EXPECT_EQ(predictor.outputs(), (std::vector<std::string>{"loss"}));
  predictor.Run();
  EXPECT_GT(predictor.Output()[0], 0);
}

TEST_P(PredictorFilesTest, LevelsAndStagesChooseLayers) {
  const std::string text =
      Input("data", {1, 2}) +
      Layer("a", "Power", {"data"}, {"a"}, "power_param { scale: 2 } include { stage: 'deploy' }") +
      Layer("b", "Power", {"data"}, {"b"}, "power_param { scale: 3 } include { min_level: 1 }");
  PredictorOptions options;
  options.stages = {"deploy"};
  EXPECT_EQ(Predictor(WriteNet(text), "", options).outputs(), (std::vector<std::string>{"a"}));
  options.stages = {};
  options.level = 1;
  EXPECT_EQ(Predictor(WriteNet(text), "", options).outputs(), (std::vector<std::string>{"b"}));
}

TEST_P(PredictorFilesTest, TheEngineIsAnOption) {
  const std::string text = Classifier(kImages);
  PredictorOptions options;
  options.engine = "CAFFE";
  const Predictor predictor(WriteNet(text), WriteWeights(text), options);
  for (const LayerNode& node : predictor.net().graph().layers) EXPECT_EQ(node.engine, "CAFFE");
  options.engine = "NONE_SUCH";
  ExpectError([&] { Predictor(At("deploy.prototxt"), At("net.caffemodel"), options); },
              {"engine NONE_SUCH is not available"});
}

TEST_P(PredictorFilesTest, FilesThatAreWrong) {
  const std::string text = Classifier(kImages);
  const std::string net = WriteNet(text), weights = WriteWeights(text);
  ExpectError([&] { Predictor(At("none.prototxt"), weights); }, {"none.prototxt", "No such file"});
  ExpectError([&] { Predictor(net, At("none.caffemodel")); }, {"none.caffemodel", "No such file"});
  ExpectError([&] { Predictor(weights, net); }, {"net.caffemodel"});
  ExpectError([&] { Predictor(net, net); }, {"deploy.prototxt"});
  ExpectError([&] { Predictor(WriteTestFile(At("bad"), "layer { nme: 'x' }"), ""); },
              {"bad:1", "nme"});
  ExpectError(
      [&] { Predictor(WriteTestFile(At("typo"), Layer("data", "Inptu", {}, {"data"})), ""); },
      {"Inptu", "Input"});
  const std::string whole = ReadTestFile(weights);
  WriteTestFile(At("cut.caffemodel"), whole.substr(0, whole.size() / 2));
  ExpectError([&] { Predictor(net, At("cut.caffemodel")); }, {"cut.caffemodel"});
}

// A program whose variable is empty would get plausible nonsense.
TEST_P(PredictorFilesTest, WeightsMustBeGiven) {
  const std::string net = WriteNet(Classifier(kImages));
  ExpectError([&] { Predictor(net, ""); },
              {"deploy.prototxt: no weights are given", "partial_weights"});
  PredictorOptions options;
  options.partial_weights = true;
  Predictor(net, "", options).Run();
  ExpectError([&] { Predictor("", At("net.caffemodel")); }, {"the name of a net's file"});
}

TEST_P(PredictorFilesTest, ErrorsTellTheNetsFileAndLayer) {
  const std::string net = WriteNet(kImages + ConvLayer("c1", "dta", 3));
  try {
    Predictor(net, "");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.file(), net);
    EXPECT_EQ(error.layer(), "c1");
    EXPECT_TRUE(Contains(error.what(), net + ": layer 'c1' (Convolution)")) << error.what();
  }
}

TEST_P(PredictorFilesTest, ImagesWithTheirChannelsLast) {
  const std::string text = FullyConvolutional(kImages);
  Predictor predictor(WriteNet(text), WriteWeights(text));
  ExpectError(
      [&] {
        predictor.Input().Set(std::vector<float>(300), Shape{1, 10, 10, 3});
      },
      {"the input 'data'", "3 channels last", "N x C x H x W", "1 3 10 10", "reorder"});
  ExpectError(
      [&] {
        predictor.Input().Reshape(Shape{1, 1, 10, 10});
      },
      {"the input 'data' was given 1 channel", "says 3"});
  EXPECT_EQ(predictor.Input().shape(), (Shape{2, 3, 8, 8}));
  predictor.Run();
}

TEST_P(PredictorFilesTest, WeightsOfAnotherNet) {
  const std::string net = WriteNet(Classifier(kImages));
  const std::string none = WriteWeights(Input("data", {1, 4}) + Product("other", "data", "y", 2));
  ExpectError([&] { Predictor(net, none); },
              {"net.caffemodel: has no weights for any layer", "c1"});
  const std::string part = WriteWeights(kImages + ConvBlock("data", "c1"));
  ExpectError([&] { Predictor(net, part); },
              {"has no weights for the layers fc", "partial_weights"});
  PredictorOptions options;
  options.partial_weights = true;
  Predictor predictor(net, part, options);
  predictor.Run();
  EXPECT_EQ(predictor.Output().shape(), (Shape{2, 7}));
  const std::string wide = WriteWeights(kImages + ConvLayer("c1", "data", 9));
  ExpectError([&] { Predictor(net, wide, options); },
              {"layer 'c1' (Convolution)", "parameter 0", "net.caffemodel"});
}

TEST_P(PredictorFilesTest, OptionsThatAreWrong) {
  const std::string net = WriteNet(Classifier(kImages));
  const auto with = [&](const std::function<void(PredictorOptions*)>& change) {
    PredictorOptions options;
    change(&options);
    Predictor(net, "", options);
  };
  ExpectError([&] { with([](PredictorOptions* o) { o->threads = -1; }); }, {"threads is -1"});
  ExpectError([&] { with([](PredictorOptions* o) { o->batch = -2; }); }, {"batch is -2"});
  ExpectError([&] { with([](PredictorOptions* o) { o->gpu = -2; }); }, {"gpu is -2"});
  ExpectError([&] { with([](PredictorOptions* o) { o->gpu = 60000; }); }, {"GPU 60000"});
  ExpectError(
      [&] {
        with([](PredictorOptions* o) {
          o->gpu = 0;
          o->device = OpenDevice(DeviceKind::kCpu);
        });
      },
      {"both a gpu (0) and a device (CPU)"});
}

// A predictor takes what it says, and one that does not fit stays as it was.
TEST_P(PredictorFilesTest, MemoryMayRunOut) {
  const std::string text = FullyConvolutional(kImages);
  const auto device = std::make_shared<LimitedDevice>();
  PredictorOptions options;
  options.device = device;
  options.threads = 1;
  Predictor predictor(WriteNet(text), WriteWeights(text), options);
  EXPECT_LT(device->used(), predictor.memory_bytes() + (1 << 16));  // nothing that is not counted
  const std::vector<float> values = RandomFloats(2 * 3 * 64, 1);
  predictor.Input().Set(values);
  predictor.Run();
  const std::vector<float> before = ToVector(predictor.Output());
  device->set_limit(device->used() + (1 << 16));
  ExpectError([&] { predictor.Input().Reshape(Shape{16, 3, 128, 128}); }, {"out of memory"});
  EXPECT_EQ(predictor.Input().shape(), (Shape{2, 3, 8, 8}));
  predictor.Run();
  EXPECT_EQ(ToVector(predictor.Output()), before);
}

// Zeros for 13 TB would keep the machine busy for long before it refuses more.
TEST_P(PredictorFilesTest, MemoryIsCheckedBeforeItIsTaken) {
  const std::string text = FullyConvolutional(kImages);
  Predictor predictor = MakePredictor(text);
  const Shape large{1 << 20, 3, 1024, 1024};
  ExpectError([&] { predictor.Input().Reshape(large); },
              {"deploy.prototxt: the net ", " of memory, but only ", "use a smaller batch"});
  predictor.Input().Reshape(Shape{1, 3, 1024, 1024});
  ExpectError([&] { predictor.SetBatch(1 << 20); }, {" of memory, but only "});
  EXPECT_EQ(predictor.Input().shape()[0], 1);
  const std::string file = WriteNet(FullyConvolutional(Input("data", {1 << 20, 3, 1024, 1024})));
  ExpectError([&] { Predictor(file, WeightsPath()); },
              {"deploy.prototxt", " of memory, but only ", "use a smaller batch"});
}

}  // namespace
}  // namespace crema::test
