// Commands that only read leave the files that they read as they are, whatever kind they have.
#include <leveldb/db.h>
#include <sys/stat.h>

#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/databases.h"
#include "schema/hdf5_io.h"
#include "tools/tool_test.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

class UntouchedTest : public ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    fs::create_directory(folder_ / "in");
  }

  // What each file and folder below "in" is and holds. A file that comes and goes changes the time
  // of its folder.
  std::map<std::string, std::string> Inputs() const {
    std::map<std::string, std::string> all;
    const auto add = [&](const fs::path& path) {
      struct stat info;
      EXPECT_EQ(lstat(path.c_str(), &info), 0);
      all[path.string()] =
          Concat(info.st_mode, " ", info.st_ino, " ", info.st_size, " ", info.st_mtim.tv_sec, ".",
                 info.st_mtim.tv_nsec, " ", S_ISREG(info.st_mode) ? ReadTestFile(path) : "");
    };
    add(folder_ / "in");
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "in")) add(entry.path());
    return all;
  }

  // Runs all commands that read the data set of a data layer.
  void ExpectUntouched(const std::string& layer) const {
    const std::string net = kNet;
    Write("net.prototxt", "name: 'small'\nlayer { name: 'data' top: 'data' top: 'label' " + layer +
                              " }\n" + net.substr(net.find("layer {\n  name: \"fc\"")));
    const auto before = Inputs();
    const std::string model = "--model=net.prototxt";
    for (const Words& words :
         {Words{"show", model, "--verbose"}, Words{"show", model, "--phase=TEST", "--engines"},
          Words{"train", "--solver=solver.prototxt"},
          Words{"test", model, "--weights=small_iter_10.caffemodel", "--iterations=2"},
          Words{"test", model, "--weights=small_iter_10.caffemodel"},
          Words{"time", model, "--iterations=1"}}) {
      SCOPED_TRACE(words[0]);
      const ToolResult result = Run(words);
      EXPECT_EQ(result.status, 0) << result.err;
      EXPECT_EQ(Inputs(), before);
    }
  }
  void ExpectUntouchedDatabase(const std::string& name, const std::string& backend) const {
    ExpectUntouched("type: 'Data' data_param { source: 'in/" + name +
                    "' batch_size: 4 backend: " + backend + " }");
    ExpectUntouched("type: 'Data' data_param { source: 'in/" + name +
                    "' batch_size: 4 backend: " + backend + " shuffle: true }");
    const auto before = Inputs();
    const std::string option = backend == "LMDB" ? "--backend=lmdb" : "--backend=leveldb";
    const ToolResult result = Run({"mean", option, "in/" + name, "mean.file"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(Inputs(), before);
  }

  std::string In(const std::string& name) const { return (folder_ / "in" / name).string(); }
};

TEST_F(UntouchedTest, Lmdb) {
  MakeImages(In("set"), 11, 1, 3, 5);
  ExpectUntouchedDatabase("set", "LMDB");
  // As Caffe's converter leaves it, and as an attacker may.
  Write("in/set/lock.mdb", std::string(8192, '\0'));
  ExpectUntouchedDatabase("set", "LMDB");
  Write("in/precious", "precious");
  fs::remove(In("set/lock.mdb"));
  fs::create_symlink(In("precious"), In("set/lock.mdb"));
  ExpectUntouchedDatabase("set", "LMDB");
}

TEST_F(UntouchedTest, LevelDbWithALogOnly) {
  test::WriteTestDatabase(Backend::kLevelDb, In("set"), 5, 1, 3, 3);
  ExpectUntouchedDatabase("set", "LEVELDB");
  EXPECT_GT(fs::file_size(In("set/000003.log")), 100u);
}

TEST_F(UntouchedTest, LevelDbWithTables) {
  test::WriteTestDatabase(Backend::kLevelDb, In("set"), 5, 1, 3, 3);
  for (int i = 0; i < 3; ++i) {  // opening makes a table of the log
    leveldb::DB* db = nullptr;
    ASSERT_TRUE(leveldb::DB::Open({}, In("set"), &db).ok());
    const std::string record = test::TestDatum(i, 1, 3, 3).SerializeAsString();
    EXPECT_TRUE(db->Put({}, test::TestKey(i), record).ok());
    if (i == 1) db->CompactRange(nullptr, nullptr);
    delete db;
  }
  ExpectUntouchedDatabase("set", "LEVELDB");
}

// The leveldb library keeps what comes before the flaw, and removes the rest.
TEST_F(UntouchedTest, ALevelDbWithADamagedLogIsAnError) {
  test::WriteTestDatabase(Backend::kLevelDb, In("set"), 5000, 1, 3, 3);
  std::string log = Read("in/set/000003.log");
  log[log.size() * 4 / 5] ^= 1;
  Write("in/set/000003.log", log);
  const auto before = Inputs();
  ExpectError({"mean", "--backend=leveldb", "in/set"},
              {"LevelDB 'in/set'", "000003.log is damaged: the record at byte ",
               "copy it again or recreate it"});
  EXPECT_EQ(Inputs(), before);
}

TEST_F(UntouchedTest, Hdf5) {
  const std::vector<float> data(33, 0.5f), labels = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0};
  Hdf5File file = Hdf5File::CreateInMemory("a.h5");
  file.Write("data", {11, 3}, data.data());
  file.Write("label", {11}, labels.data());
  Write("in/a.h5", file.Bytes());
  Write("in/list", "in/a.h5\n");
  ExpectUntouched("type: 'HDF5Data' hdf5_data_param { source: 'in/list' batch_size: 4 }");
  ExpectUntouched(
      "type: 'HDF5Data' hdf5_data_param { source: 'in/list' batch_size: 4 shuffle: true }");
}

TEST_F(UntouchedTest, ImagesAndWindows) {
  cv::imwrite(In("a.png"), cv::Mat(10, 20, CV_8UC3, cv::Scalar(1, 2, 3)));
  cv::imwrite(In("b.jpg"), cv::Mat(10, 20, CV_8UC3, cv::Scalar(1, 2, 3)));
  Write("in/list", "a.png 1\nb.jpg 2\n");
  ExpectUntouched(
      "type: 'ImageData' image_data_param { source: 'in/list' root_folder: 'in/' batch_size: 4 }");
  Write("in/windows", "# 0\na.png\n3\n10\n20\n2\n1 0.9 2 5 5 8\n0 0.1 10 1 13 4\n");
  ExpectUntouched(
      "type: 'WindowData' transform_param { crop_size: 4 } "
      "window_data_param { source: 'in/windows' root_folder: 'in/' batch_size: 4 }");
  const auto before = Inputs();
  for (const char* backend : {"lmdb", "leveldb"}) {
    const ToolResult result = Run({"convert", "imageset", Concat("--backend=", backend), "in",
                                   "in/list", Concat("out_", backend)});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(Inputs(), before);
  }
}

// A folder of the user's that happens to be where a database would grow.
TEST_F(UntouchedTest, AFolderThatConvertDidNotMake) {
  cv::imwrite((folder_ / "a.png").string(), cv::Mat(4, 4, CV_8UC3, cv::Scalar(1, 2, 3)));
  Write("list", "a.png 1\n");
  test::WriteAll(In("db.partial/notes"), "mine");
  test::WriteAll(In("mine/data.mdb"), "mine");
  fs::create_directory_symlink(In("mine"), In("link.partial"));
  const auto before = Inputs();
  ExpectError({"convert", "imageset", ".", "list", "in/db"},
              {"db.partial", "was not made by `crema convert`"});
  ExpectError({"convert", "imageset", ".", "list", "in/link"},
              {"link.partial", "taken by something else"});
  EXPECT_EQ(Inputs(), before);
}

}  // namespace
}  // namespace crema
