#include "schema/hdf5_weights.h"

#include <gmock/gmock.h>

#include <cstdio>

#include "crema.pb.h"
#include "net/net_test_util.h"
#include "schema/hdf5_io.h"
#include "train/train_test_util.h"
#include "util/paths.h"

namespace crema::test {
namespace {

const std::string kNet = Input("x", {2, 3}) + Product("fc", "x", "fc", 4) +
                         Product("a/b/c", "fc", "deep", 2) +
                         Layer("norm", "BatchNorm", {"deep"}, {"deep"});

std::string PathOf(const std::string& name) { return (TestFolder() / name).string(); }

std::string CorpusFile(const std::string& name) {
  return (SourceFolder() / "tests/fuzz/corpus/hdf5_weights" / name).string();
}

TEST(Hdf5WeightsTest, GoThereAndBack) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64}) {
    MakeNetOptions options;
    options.dtype = dtype;
    const auto from = MakeNet(kNet, options);
    options.seed = 2;
    const auto to = MakeNet(kNet, options);
    const std::string path = PathOf("net.caffemodel.h5");
    proto::NetParameter saved;
    from->ToProto(&saved, false);
    WriteTestFile(path, Hdf5WeightsBytes(saved, path));
    const WeightsReport report = to->LoadWeights(path);
    EXPECT_EQ(report.copied.size(), 3u) << report.ToString();
    EXPECT_TRUE(report.skipped.empty() && report.left_out.empty()) << report.ToString();
    for (const char* layer : {"fc", "a/b/c", "norm"}) {
      EXPECT_EQ(ReadParam(*to, layer, 0), ReadParam(*from, layer, 0)) << layer;
    }
    EXPECT_EQ(Hdf5File::Open(path).Shape("data/fc/0"), (std::vector<int64_t>{4, 3}));
  }
}

TEST(Hdf5WeightsTest, GradientsGoToAGroupOfTheirOwn) {
  const auto net = MakeNet(kNet + Layer("loss", "Reduction", {"deep"}, {"loss"}, "loss_weight: 1"));
  ForwardBackward(*net);
  proto::NetParameter saved;
  net->ToProto(&saved, true);
  const std::string path = PathOf("net.caffemodel.h5");
  WriteTestFile(path, Hdf5WeightsBytes(saved, path));
  EXPECT_EQ(Hdf5File::Open(path).ReadDoubles("diff/fc/0"), ReadParamDiff(*net, "fc", 0));
}

// In Caffe's files a parameter that shares another's memory is missing.
TEST(Hdf5WeightsTest, SharedParametersMayBeMissing) {
  const std::string shared = "param { name: 'w' } param { name: 'b' }";
  const auto net = MakeNet(Input("x", {2, 3}) + Product("p", "x", "p", 3, shared) +
                           Product("q", "p", "q", 3, shared));
  const std::string path = PathOf("shared.caffemodel.h5");
  Hdf5File file = Hdf5File::CreateInMemory(path);
  const std::vector<float> w = {1, 2, 3, 4, 5, 6, 7, 8, 9}, b = {1, 1, 1};
  file.Write("data/p/0", {3, 3}, w.data());
  file.Write("data/p/1", {3}, b.data());
  file.MakeGroup("data/q");
  WriteTestFile(path, file.Bytes());
  const WeightsReport report = net->LoadWeights(path);
  EXPECT_TRUE(report.left_out.empty()) << report.ToString();
  EXPECT_EQ(ReadParam(*net, "q", 0), std::vector<double>(w.begin(), w.end()));
}

TEST(Hdf5WeightsTest, StatesGoThereAndBack) {
  proto::SolverState state;
  state.set_iter(17);
  state.set_learned_net("some/net.caffemodel.h5");
  state.set_current_step(3);
  for (int i = 0; i < 12; ++i) {
    proto::BlobProto* blob = state.add_history();
    blob->mutable_shape()->add_dim(2);
    blob->add_data(static_cast<float>(i));
    blob->add_data(0.5f);
  }
  state.mutable_progress()->set_random_seed(1234567);
  state.mutable_progress()->add_data_layer("data");
  state.mutable_progress()->add_data_position(99);
  const std::string path = PathOf("x.solverstate.h5");
  WriteTestFile(path, Hdf5StateBytes(state, path));
  proto::SolverState read;
  ReadHdf5State(path, &read);
  EXPECT_EQ(read.SerializeAsString(), state.SerializeAsString());
}

TEST(Hdf5WeightsTest, RefusesOtherFiles) {
  const std::string path = PathOf("other.h5");
  Hdf5File file = Hdf5File::CreateInMemory(path);
  file.WriteInteger("something", 1);
  WriteTestFile(path, file.Bytes());
  ExpectError([&] { ReadHdf5Weights(path); }, {"other.h5", "no group 'data'"});
  proto::SolverState state;
  ExpectError([&] { ReadHdf5State(path, &state); }, {"other.h5", "not a solver state"});
  file.WriteInteger("iter", 1);
  file.WriteText("learned_net", "x");
  WriteTestFile(path, file.Bytes());
  ExpectError([&] { ReadHdf5Weights(path); }, {"is a solver state", "--snapshot"});
}

// The extents say 2^40 values; the file has none.
TEST(Hdf5WeightsTest, ASizeIsNotBelieved) {
  const std::string path = PathOf("huge.caffemodel.h5");
  Hdf5File file = Hdf5File::CreateInMemory(path);
  const float one = 1;
  file.Append("data/fc/0", {1, 1}, &one);
  file.Write("data/fc/1", {1}, &one);
  std::string bytes = file.Bytes();
  // Where the extents of the 1 x 1 dataset are kept: twice 1, then the largest extents.
  const std::string extents("\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\xff\xff\xff\xff", 20);
  const size_t at = bytes.find(extents);
  ASSERT_NE(at, std::string::npos);
  bytes[at + 5] = 1;
  WriteTestFile(path, bytes);
  ExpectError([&] { ReadHdf5Weights(path); }, {"huge.caffemodel.h5", "data/fc/0", "damaged"});
}

// Truncated anywhere, and with any byte changed, a file is an error or is read; nothing else.
TEST(Hdf5WeightsTest, DamagedFilesAreErrors) {
  const auto net = MakeNet(kNet);
  proto::NetParameter saved;
  net->ToProto(&saved, false);
  const std::string path = PathOf("damaged.caffemodel.h5");
  WriteTestFile(path, Hdf5WeightsBytes(saved, path));
  const std::string bytes = ReadTestFile(path);
  for (size_t i = 0; i < bytes.size(); i += 97) {
    WriteTestFile(path, bytes.substr(0, i));
    EXPECT_THROW(ReadWeightsFile(path), Error) << i;
  }
}

// A name as the text format spells it, whatever its bytes are.
std::string Octal(const std::string& name) {
  std::string text;
  for (const char c : name) {
    char code[8];
    std::snprintf(code, sizeof code, "\\%03o", static_cast<unsigned char>(c));
    text += code;
  }
  return text;
}

// A net of a layer of each name, with weights that depend on the seed.
std::unique_ptr<Net> NetOf(const std::vector<std::string>& names, uint64_t seed) {
  std::string text = Input("x", {2, 3});
  for (size_t i = 0; i < names.size(); ++i) {
    text += Product(Octal(names[i]), "x", Concat("top", i), 2);
  }
  MakeNetOptions options;
  options.seed = seed;
  return MakeNet(text, options);
}

std::string Nested(int groups) {
  std::string name = "g";
  for (int i = 1; i < groups; ++i) name += "/g";
  return name;
}

// Names that people, and programs that write nets, give to layers.
const std::vector<std::string> kOddNames = {
    "",
    ".",
    "/",
    "//",
    "/conv1/Conv",
    "a//b",
    "a/",
    "./a",
    "a/.",
    "a/./b",
    "./",
    "a%2F%2Fb",
    "%",
    "%2F",
    Nested(33),
    Nested(200),
    "n\vl",
    "\x01",
    "/\xff\xfe/",
    "/\xc3\xa9",
    "crema_names",
    std::string("nul\0nul", 7),
    std::string("\0", 1),
    "/" + std::string(100000, 'q'),
};
// Names that stay as they are.
const std::vector<std::string> kPlainNames = {
    "conv1",
    "inception_3a/1x1",
    "..",
    "a/../b",
    "a b",
    " ",
    "0",
    "1/0",
    "data",
    "diff/data",
    "\xc3\xa9t\xc3\xa9",
    "\xff\xfe",
    "a.",
    ".a",
    "a\\b",
    "%41",
    "'\"",
    Nested(32),
    std::string(100000, 'q'),
};

TEST(Hdf5WeightsTest, EveryNameComesBack) {
  std::vector<std::string> names = kOddNames;
  names.insert(names.end(), kPlainNames.begin(), kPlainNames.end());
  const auto from = NetOf(names, 1);
  proto::NetParameter saved;
  from->ToProto(&saved, false);
  for (const bool hdf5 : {true, false}) {
    const std::string path = PathOf(hdf5 ? "odd.caffemodel.h5" : "odd.caffemodel");
    WriteTestFile(path, hdf5 ? Hdf5WeightsBytes(saved, path) : saved.SerializeAsString());
    const auto to = NetOf(names, 2);
    const WeightsReport report = to->LoadWeights(path);
    EXPECT_EQ(report.copied.size(), names.size());
    EXPECT_TRUE(report.skipped.empty() && report.left_out.empty());
    for (const std::string& name : names) {
      EXPECT_EQ(ReadParam(*to, name, 0), ReadParam(*from, name, 0)) << Octal(name.substr(0, 50));
      EXPECT_EQ(ReadParam(*to, name, 1), ReadParam(*from, name, 1)) << Octal(name.substr(0, 50));
    }
  }
}

TEST(Hdf5WeightsTest, PlainNamesStayAsCaffeWritesThem) {
  proto::NetParameter saved;
  NetOf(kPlainNames, 1)->ToProto(&saved, false);
  const std::string path = PathOf("plain.caffemodel.h5");
  WriteTestFile(path, Hdf5WeightsBytes(saved, path));
  const Hdf5File file = Hdf5File::Open(path);
  EXPECT_EQ(file.Names(""), (std::vector<std::string>{"data/"}));
  for (const std::string& name : kPlainNames) {
    EXPECT_TRUE(file.Has("data/" + name + "/0")) << Octal(name.substr(0, 50));
  }
}

// "a/0" would be the group where the first blob of "a" is.
TEST(Hdf5WeightsTest, NamesMayLeadThroughOtherLayersBlobs) {
  const std::vector<std::string> names = {"a", "a/0", "a/0/1", "a%2F0", "a/1/x", "b/1", "b/1/0"};
  for (std::vector<std::string> order : {names, {names.rbegin(), names.rend()}}) {
    const auto from = NetOf(order, 1), to = NetOf(order, 2);
    proto::NetParameter saved;
    from->ToProto(&saved, false);
    const std::string path = PathOf("meet.caffemodel.h5");
    WriteTestFile(path, Hdf5WeightsBytes(saved, path));
    EXPECT_EQ(to->LoadWeights(path).copied.size(), names.size());
    for (const std::string& name : names) {
      EXPECT_EQ(ReadParam(*to, name, 0), ReadParam(*from, name, 0)) << name;
    }
    const Hdf5File file = Hdf5File::Open(path);
    EXPECT_TRUE(file.Has("data/a/0") && file.Has("data/b/1/0") && file.Has("data/a%2F0/0"));
  }
}

TEST(Hdf5WeightsTest, GradientsOfOddNamesLieUnderTheSameGroup) {
  const auto net = MakeNet(Input("x", {2, 3}) + Product("a//b", "x", "y", 2) +
                           Layer("", "Reduction", {"y"}, {"loss"}, "loss_weight: 1"));
  ForwardBackward(*net);
  proto::NetParameter saved;
  net->ToProto(&saved, true);
  const std::string path = PathOf("net.caffemodel.h5");
  WriteTestFile(path, Hdf5WeightsBytes(saved, path));
  const Hdf5File file = Hdf5File::Open(path);
  EXPECT_EQ(file.ReadText("crema_names/a%2F%2Fb"), "a//b");
  EXPECT_EQ(file.ReadDoubles("diff/a%2F%2Fb/0"), ReadParamDiff(*net, "a//b", 0));
}

// Layers without parameters may have one name.
TEST(Hdf5WeightsTest, SeveralLayersMayHaveOneOddName) {
  const std::string text = Input("x", {2, 3}) + Layer("/r/", "ReLU", {"x"}, {"r"}) +
                           Product("/r/", "r", "p", 2) + Layer("/r/", "ReLU", {"p"}, {"p"});
  MakeNetOptions other;
  other.seed = 2;
  const auto from = MakeNet(text), to = MakeNet(text, other);
  proto::NetParameter saved;
  from->ToProto(&saved, false);
  const std::string path = PathOf("one.caffemodel.h5");
  WriteTestFile(path, Hdf5WeightsBytes(saved, path));
  EXPECT_TRUE(to->LoadWeights(path).left_out.empty());
  EXPECT_EQ(to->param(0).data_tensor().ToHost<double>(),
            from->param(0).data_tensor().ToHost<double>());
}

// Files that fuzzing, or the thought of it, found.
TEST(Hdf5WeightsTest, RefusesAnArrayWhereAStringShouldBe) {
  proto::SolverState state;
  EXPECT_THAT([&] { ReadHdf5State(CorpusFile("array_for_a_string"), &state); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("'learned_net' is not a string")));
}

TEST(Hdf5WeightsTest, RefusesAGroupThatHoldsItself) {
  EXPECT_THAT([] { ReadHdf5Weights(CorpusFile("group_in_itself")); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("nested too deeply")));
}

// libhdf5 1.10 reads a null pointer where the heap of a group is damaged; the tests go on.
TEST(Hdf5WeightsTest, SurvivesAHeapThatCrashesTheLibrary) {
  proto::SolverState state;
  EXPECT_THROW(ReadHdf5State(CorpusFile("damaged_heap"), &state), Error);
}

}  // namespace
}  // namespace crema::test
