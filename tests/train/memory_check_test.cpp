// The batch size that fits into memory, and that no memory is taken before.
#include "train/memory_check.h"

#include <algorithm>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <regex>

#include "data/list_file.h"
#include "data/record_writer.h"
#include "data/window_list.h"
#include "schema/hdf5_io.h"
#include "train/train_test_util.h"
#include "util/limited_device.h"

namespace crema {
namespace {

class MemoryCheckTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  // A batch of 64 and a layer of 1000 units: about 4 kB an item, twice, and 4 MB of parameters.
  std::string Error(const std::string& net, size_t available, const std::string& more = "") const {
    TrainOptions options;
    options.device_memory = available;
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
    const std::regex pattern("batch_size ([0-9]+) instead of 64");
    return std::regex_search(error, match, pattern) ? std::stoi(match[1]) : 0;
  }
  std::filesystem::path folder_;
};

TEST_F(MemoryCheckTest, SaysWhichBatchWouldFit) {
  EXPECT_EQ(Error(Net(64), 20 << 20), "");
  EXPECT_EQ(Error(Net(64), 0), "");   // that of the machine
  const size_t available = 12500000;  // parameters, gradients and momentum are 12.01 MB
  const std::string error = Error(Net(64), available);
  EXPECT_TRUE(Contains(error, "training needs ")) << error;
  EXPECT_TRUE(Contains(error, "but only 12.5 MB is available")) << error;
  EXPECT_FALSE(Contains(error, "\n")) << error;
  const int largest = LargestIn(error);
  ASSERT_GT(largest, 5) << error;
  EXPECT_EQ(Error(Net(largest), available), "");
  EXPECT_NE(Error(Net(largest + 1), available), "");
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

// Ten values of 4 MB each, and 12 MB of parameters with all that belongs to them.
std::string ChainSolver(const std::filesystem::path& folder, int limit) {
  std::string net = R"(layer { name: "data" type: "DummyData" top: "t0" top: "label"
      dummy_data_param { shape { dim: 1000 dim: 1000 } shape { dim: 1000 }
        data_filler { type: "gaussian" } data_filler { value: 1 } } }
    layer { name: "fc" type: "InnerProduct" bottom: "t0" top: "t1"
      inner_product_param { num_output: 1000 weight_filler { type: "xavier" } } } )";
  for (int i = 1; i < 7; ++i) {
    net += Concat("layer { name: 'tanh", i, "' type: 'TanH' bottom: 't", i, "' top: 't", i + 1,
                  "' } ");
  }
  net += R"(layer { name: "end" type: "InnerProduct" bottom: "t7" top: "end"
      inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "end" bottom: "label" top: "loss" } )";
  return Concat("net_param { ", net, " } base_lr: 0.1 momentum: 0.9 lr_policy: 'fixed' ",
                "max_iter: 2 random_seed: 4 snapshot_prefix: '", folder.string(),
                "/chain' memory_limit: ", limit);
}

TEST_F(MemoryCheckTest, TakesNoMoreThanTheSolversLimit) {
  LogCapture log;
  const auto free = MakeTrainer(ParseSolver(ChainSolver(folder_, 0)));
  EXPECT_TRUE(log.With("recomputed").empty());
  const auto limited = MakeTrainer(ParseSolver(ChainSolver(folder_, 35)));
  EXPECT_FALSE(log.With("recomputed").empty());
  const size_t least = size_t{7} << 20;
  EXPECT_LT(limited->net().memory().Total() + least, free->net().memory().Total());
  free->Train();
  limited->Train();
  EXPECT_EQ(WeightsOf(*limited), WeightsOf(*free));
  for (const auto& [limit, sentence] :
       std::map<int, std::string>{{22, "smaller batch"}, {3, "the solver alone need"}}) {
    const std::string error =
        ErrorOf([&, limit = limit] { MakeTrainer(ParseSolver(ChainSolver(folder_, limit))); });
    EXPECT_TRUE(Contains(error, "memory_limit")) << error;
    EXPECT_TRUE(Contains(error, sentence)) << error;
  }
}

TEST_F(MemoryCheckTest, ALimitDoesNotGoWithDebugInfo) {
  const std::string error =
      ErrorOf([&] { MakeTrainer(ParseSolver(ChainSolver(folder_, 60) + " debug_info: true")); });
  EXPECT_TRUE(Contains(error, "debug_info")) << error;
}

// Test nets use the arena of the train net; recomputing does not make it smaller for them.
TEST_F(MemoryCheckTest, ALimitCountsTheArenaOfTestNets) {
  const std::string net = R"(layer { name: "data" type: "DummyData" top: "x" top: "label"
      dummy_data_param { shape { dim: 4000 dim: 1000 } shape { dim: 4000 } } }
    layer { name: "t1" type: "TanH" bottom: "x" top: "t1" }
    layer { name: "t2" type: "Sigmoid" bottom: "t1" top: "t2" }
    layer { name: "t3" type: "Eltwise" bottom: "t1" bottom: "t2" top: "t3" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "t3" bottom: "label" top: "loss" } )";
  const std::string tests = Concat(" test_net_param { ", net,
                                   " } test_iter: 1 test_interval: 10 test_initialization: false");
  EXPECT_EQ(ErrorOf([&] { MakeTrainer(ParseSolver(ChainSolver(folder_, 60) + tests)); }), "");
  const std::string error =
      ErrorOf([&] { MakeTrainer(ParseSolver(ChainSolver(folder_, 38) + tests)); });
  EXPECT_TRUE(Contains(error, "memory_limit is 38 MiB")) << error;
  EXPECT_TRUE(Contains(error, "test batches")) << error;
}

TEST_F(MemoryCheckTest, TellsThePlanBeforeTraining) {
  LogCapture log;
  MakeTrainer(ParseSolver(TinySolver(folder_)))->Train();
  ASSERT_EQ(log.With("Memory planned: ").size(), 1u);
  EXPECT_TRUE(Contains(log.With("Memory planned: ")[0], "training net ")) << log.lines()[0];
}

// A window may be larger than any run: it takes memory for the losses that there are.
TEST_F(MemoryCheckTest, LossesTakeRoomAsTheyCome) {
  const auto device = std::make_shared<LimitedDevice>();
  TrainOptions options;
  options.device = device;
  device->set_limit(1 << 20);
  Trainer trainer(ParseSolver(TinySolver(folder_), "average_loss: 1000000000"), options);
  EXPECT_TRUE(trainer.Train());
  const std::string error = Error(Net(4), 1 << 30, "average_loss: 1000000000 max_iter: 2000000000");
  EXPECT_TRUE(Contains(error, "solver 4")) << error;
}

// The window grows on the way, and counts as if it had been there from the start.
TEST_F(MemoryCheckTest, TheWindowGrows) {
  const proto::SolverParameter solver =
      ParseSolver(TinySolver(folder_), "average_loss: 2500 max_iter: 2700");
  const auto trainer = MakeTrainer(solver);
  std::vector<double> losses;
  for (const size_t iterations : {1024, 1025, 2400, 2700}) {
    while (losses.size() < iterations) {
      trainer->Step(1);
      losses.push_back(trainer->net().loss().ToHost<double>()[0]);
    }
    trainer->Snapshot();
    const std::string path = (folder_ / Concat("tiny_iter_", iterations, ".solverstate")).string();
    const std::string state = ReadTestFile(path);
    const auto saved = ReadState(path).progress().recent_losses();
    const auto count = static_cast<std::ptrdiff_t>(std::min<size_t>(iterations, 2500));
    EXPECT_EQ(std::vector<double>(saved.begin(), saved.end()),
              std::vector<double>(losses.end() - count, losses.end()));
    MakeTrainer(solver, path)->Snapshot();
    EXPECT_TRUE(ReadTestFile(path) == state) << iterations;
  }
}

// The batch size does not change it.
TEST_F(MemoryCheckTest, CountsTheDataThatLayersKeep) {
  constexpr int kRows = 10000, kColumns = 100;  // 4 MB
  Hdf5File file = Hdf5File::CreateInMemory("rows");
  file.Write("data", {kRows, kColumns}, std::vector<float>(kRows * kColumns).data());
  file.Write("label", {kRows}, std::vector<float>(kRows).data());
  WriteTestFile(folder_ / "rows.h5", file.Bytes());
  WriteTestFile(folder_ / "list.txt", (folder_ / "rows.h5").string() + "\n");
  const auto net = [&](bool shuffle) {
    return Concat("net_param { layer { name: 'data' type: 'HDF5Data' top: 'data' top: 'label' ",
                  "hdf5_data_param { source: '", (folder_ / "list.txt").string(),
                  "' batch_size: 64 shuffle: ", shuffle ? "true" : "false", " } }",
                  "layer { name: 'fc' type: 'InnerProduct' bottom: 'data' top: 'fc' ",
                  "inner_product_param { num_output: 10 } }",
                  "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'fc' bottom: 'label' ",
                  "top: 'loss' } } ");
  };
  for (const bool shuffle : {false, true}) {
    const auto memory = [&](DeviceKind device) {
      return MemoryOf(CompileNet(ParseSolver(net(shuffle)).net_param(), device, {}));
    };
    const size_t kept = sizeof(float) * kRows * (kColumns + 1 + (shuffle ? 1 : 0));
    EXPECT_EQ(memory(DeviceKind::kCpu).host, kept);
    EXPECT_EQ(memory(DeviceKind::kFake).host, 0u);
    EXPECT_EQ(Error(net(shuffle), kept + (1 << 20)), "");
    const std::string error = Error(net(shuffle), kept);
    EXPECT_TRUE(Contains(error, "no batch size of the training net would fit")) << error;
    EXPECT_TRUE(Contains(error, "or smaller HDF5 files or shorter lists, of which layers keep 4."))
        << error;
  }
}

TEST_F(MemoryCheckTest, CountsWhatAShuffleNeeds) {
  const std::string path = (folder_ / "db").string();
  RecordWriter writer(Backend::kLmdb, path);
  proto::Datum datum;
  datum.set_channels(1);
  datum.set_height(1);
  datum.set_width(4);
  datum.set_data("abcd");
  for (int i = 1000; i < 1500; ++i) writer.Put(std::to_string(i), datum.SerializeAsString());
  writer.Finish();
  const auto kept = [&](const std::string& options) {
    const std::string net =
        Concat("net_param { layer { name: 'data' type: 'Data' top: 'data' data_param { source: '",
               path, "' backend: LMDB batch_size: 1 ", options, " } } }");
    return MemoryOf(CompileNet(ParseSolver(net).net_param(), DeviceKind::kCpu, {})).host;
  };
  EXPECT_EQ(kept(""), 0u);
  EXPECT_EQ(kept("shuffle: true"), 500u * (4 + 36));
}

TEST_F(MemoryCheckTest, CountsLongLists) {
  cv::imwrite((folder_ / "a.png").string(), cv::Mat(4, 4, CV_8UC3, cv::Scalar(1, 2, 3)));
  std::string images, windows = "# 0\na.png\n3\n4\n4\n5000\n";
  for (int i = 0; i < 5000; ++i) {
    images += "a.png 1\n";
    windows += "1 0.9 0 0 3 3\n";
  }
  WriteTestFile(folder_ / "images.txt", images);
  WriteTestFile(folder_ / "windows.txt", windows);
  const auto kept = [&](const std::string& type, const std::string& options) {
    const std::string net =
        Concat("net_param { layer { name: 'data' type: '", type, "' top: 'data' top: 'label' ",
               options, " transform_param { crop_size: 2 } } }");
    return MemoryOf(CompileNet(ParseSolver(net).net_param(), DeviceKind::kCpu, {})).host;
  };
  const std::string root = "' batch_size: 1 root_folder: '" + folder_.string() + "/' ";
  const auto images_kept = [&](const std::string& more) {
    return kept("ImageData", "image_data_param { source: '" + (folder_ / "images.txt").string() +
                                 root + more + "}");
  };
  const size_t in_order = images_kept("");
  EXPECT_GE(in_order, 5000 * sizeof(ListedImage));
  EXPECT_LE(in_order, 2 * 5000 * sizeof(ListedImage));
  EXPECT_EQ(images_kept("shuffle: true"), in_order + 5000 * sizeof(uint32_t));
  const auto windows_kept = [&](const std::string& more) {
    return kept("WindowData", "window_data_param { source: '" + (folder_ / "windows.txt").string() +
                                  root + "fg_fraction: 1 " + more + "}");
  };
  const size_t without_images = windows_kept("");
  EXPECT_GE(without_images, 5000 * sizeof(ImageWindow));
  EXPECT_LE(without_images, 2 * 5000 * sizeof(ImageWindow) + 1000);
  EXPECT_GE(windows_kept("cache_images: true"),
            without_images + std::filesystem::file_size(folder_ / "a.png"));
}

// What only runs forward is checked as well, with its own words.
TEST_F(MemoryCheckTest, ChecksANetThatOnlyRuns) {
  const auto net = [](int batch) {
    proto::NetParameter config = ParseSolver(Net(batch)).net_param();
    config.mutable_state()->set_phase(proto::TEST);
    config.set_name("large");
    return config;
  };
  NetOptions options;
  options.backward = false;
  const auto error = [&](int batch, size_t available) {
    const auto device = std::make_shared<LimitedDevice>();
    const std::string text = ErrorOf([&] { MakeNetToRun(net(batch), device, options, available); });
    EXPECT_EQ(device->peak() == 0, !text.empty());
    return text;
  };
  EXPECT_EQ(error(64, 20 << 20), "");
  EXPECT_EQ(error(64, 0), "");
  constexpr size_t kRoom = 4300000;  // the parameters take 4.004 MB
  const std::string refused = error(64, kRoom);
  EXPECT_TRUE(Contains(refused, "the net 'large' needs ")) << refused;
  EXPECT_TRUE(Contains(refused, "but only 4.3 MB is available")) << refused;
  const int largest = LargestIn(refused);
  ASSERT_GT(largest, 2) << refused;
  EXPECT_EQ(error(largest, kRoom), "");
  EXPECT_NE(error(largest + 1, kRoom), "");
  EXPECT_TRUE(Contains(error(64, 1 << 20), "no batch size would fit"));
}

}  // namespace
}  // namespace crema
