// Which values outside of an HDF5 file, or several times within it, are read as its own.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <unistd.h>

#include "crema.pb.h"
#include "data/hdf5_rows.h"
#include "schema/hdf5_io.h"
#include "schema/hdf5_weights.h"
#include "schema/schema_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

// A file that is made by the library's own functions.
class RawFile {
 public:
  explicit RawFile(const std::string& path)
      : id_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {
    EXPECT_GE(id_, 0);
  }
  ~RawFile() { H5Fclose(id_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;

  hid_t id() const { return id_; }
  void AddGroup(const char* name) const {
    H5Gclose(H5Gcreate2(id_, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  }
  // Of `count` floats: 1, 2, 3... if there are any to be written.
  void Add(const char* name, hsize_t count, hid_t plan = H5P_DEFAULT, bool write = true) const {
    const hid_t space = H5Screate_simple(1, &count, nullptr);
    const hid_t data = H5Dcreate2(id_, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, plan, H5P_DEFAULT);
    EXPECT_GE(data, 0);
    std::vector<float> values(count);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
    if (write) {
      EXPECT_GE(H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
    }
    H5Dclose(data);
    H5Sclose(space);
  }
  // Values that lie in another file, as they are.
  void AddOutside(const char* name, const std::string& path, hsize_t count) const {
    const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
    EXPECT_GE(H5Pset_external(plan, path.c_str(), 0, count * 4), 0);
    Add(name, count, plan, false);
    H5Pclose(plan);
  }
  // A view of three values in a dataset of another file.
  void AddView(const char* name, const std::string& file, const std::string& dataset) const {
    const hsize_t count = 3;
    const hid_t space = H5Screate_simple(1, &count, nullptr);
    const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
    EXPECT_GE(H5Pset_virtual(plan, space, file.c_str(), dataset.c_str(), space), 0);
    Add(name, count, plan, false);
    H5Pclose(plan);
    H5Sclose(space);
  }
  void LinkOut(const char* name, const std::string& file, const char* target) const {
    EXPECT_GE(H5Lcreate_external(file.c_str(), target, id_, name, H5P_DEFAULT, H5P_DEFAULT), 0);
  }
  void LinkSoftly(const char* name, const char* target) const {
    EXPECT_GE(H5Lcreate_soft(target, id_, name, H5P_DEFAULT, H5P_DEFAULT), 0);
  }
  void LinkHard(const std::string& name, const char* target) const {
    EXPECT_GE(H5Lcreate_hard(id_, target, id_, name.c_str(), H5P_DEFAULT, H5P_DEFAULT), 0);
  }

 private:
  hid_t id_;
};

class Hdf5LinksTest : public testing::Test {
 protected:
  void SetUp() override { folder_ = TestFolder(); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::vector<float> Read(const std::string& name, const std::string& dataset) const {
    return Hdf5File::Open(Path(name)).ReadFloats(dataset);
  }
  // All that looks at a dataset refuses it so.
  void Refuses(const std::string& name, const std::string& dataset,
               const std::vector<std::string>& parts) const {
    const Hdf5File file = Hdf5File::Open(Path(name));
    ExpectError([&] { file.Shape(dataset); }, parts);
    ExpectError([&] { file.ReadFloats(dataset); }, parts);
    ExpectError([&] { file.ReadInteger(dataset); }, parts);
  }

  std::filesystem::path folder_;
  const std::vector<float> three_ = {1, 2, 3};
};

TEST_F(Hdf5LinksTest, LinksWithinTheFileAreFollowed) {
  {
    const RawFile file(Path("a.h5"));
    file.AddGroup("group");
    file.Add("group/values", 3);
    file.LinkSoftly("soft", "/group/values");
    file.LinkSoftly("folder", "/group");
    file.LinkHard("hard", "group/values");
    file.LinkSoftly("loop", "/loop");
  }
  for (const char* name : {"soft", "folder/values", "hard"}) {
    EXPECT_EQ(Read("a.h5", name), three_) << name;
  }
  EXPECT_EQ(Hdf5File::Open(Path("a.h5")).Names(""),
            (std::vector<std::string>{"folder/", "group/", "hard", "loop", "soft"}));
  Refuses("a.h5", "loop", {"no dataset 'loop'"});
}

TEST_F(Hdf5LinksTest, LinksIntoOtherFilesAreRefused) {
  {
    const RawFile other(Path("other.h5"));
    other.AddGroup("group");
    other.Add("group/values", 3);
    const RawFile file(Path("a.h5"));
    file.AddGroup("data");
    file.LinkOut("data/0", Path("other.h5"), "/group/values");
    file.LinkOut("folder", "other.h5", "/group");
    file.LinkSoftly("soft", "/data/0");
  }
  const std::vector<std::string> parts = {Path("a.h5"), "is a link into the file '", "other.h5'",
                                          "copy what it leads to into this file"};
  for (const char* name : {"data/0", "folder/values", "soft"}) {
    Refuses("a.h5", name, parts);
    ExpectError([&] { Hdf5File::Open(Path("a.h5")).Has(name); }, parts);
  }
  ExpectError([&] { Hdf5File::Open(Path("a.h5")).Names("folder"); }, parts);
  ExpectError([&] { Hdf5File::Open(Path("a.h5")).Names("data"); }, parts);
}

TEST_F(Hdf5LinksTest, ValuesInOtherFilesAreRefused) {
  WriteTestFile(folder_ / "secret", std::string(12, 'x'));
  {
    const RawFile file(Path("a.h5"));
    file.AddOutside("values", Path("secret"), 3);
    file.AddOutside("beside", "secret", 3);
  }
  for (const char* name : {"values", "beside"}) {
    Refuses("a.h5", name, {"a.h5: dataset '", name, "keeps its values in another file"});
  }
}

// Weights, states and data.
TEST_F(Hdf5LinksTest, AllReadersRefuse) {
  WriteTestFile(folder_ / "secret", std::string(64, 'x'));
  {
    const RawFile weights(Path("w.h5"));
    weights.AddGroup("data");
    weights.AddGroup("data/fc");
    weights.AddOutside("data/fc/0", Path("secret"), 3);
    const RawFile linked(Path("linked.h5"));
    linked.LinkOut("data", "w.h5", "/data");
    const RawFile state(Path("s.h5"));
    state.AddOutside("iter", Path("secret"), 1);
    state.Add("learned_net", 1);
    const RawFile rows(Path("rows.h5"));
    rows.AddOutside("data", Path("secret"), 3);
  }
  const std::string outside = "in another file";
  ExpectError([&] { ReadHdf5Weights(Path("w.h5")); }, {"data/fc/0", outside});
  ExpectError([&] { ReadHdf5Weights(Path("linked.h5")); }, {"is a link into the file 'w.h5'"});
  proto::SolverState state;
  ExpectError([&] { ReadHdf5State(Path("s.h5"), &state); }, {"iter", outside});
  const std::string list = WriteTestFile(folder_ / "list", Path("rows.h5") + "\n");
  ExpectError([&] { Hdf5Rows(list, {"data"}, false, "layer 'd'"); }, {"rows.h5", outside});
}

TEST_F(Hdf5LinksTest, ViewsOfFilesInTheFolderAreRead) {
  {
    const RawFile source(Path("source.h5"));
    source.Add("values", 3);
    const RawFile file(Path("view.h5"));
    file.Add("own", 3);
    file.AddView("view", "source.h5", "/values");
    file.AddView("here", ".", "/own");
  }
  EXPECT_EQ(Read("view.h5", "view"), three_);
  EXPECT_EQ(Read("view.h5", "here"), three_);
}

TEST_F(Hdf5LinksTest, OtherViewsAreRefused) {
  std::filesystem::create_directory(folder_ / "elsewhere");
  WriteTestFile(folder_ / "secret", std::string(12, 'x'));
  {
    const RawFile source(Path("elsewhere/source.h5"));
    source.Add("values", 3);
    const RawFile beside(Path("beside.h5"));
    beside.AddOutside("outside", Path("secret"), 3);
    beside.LinkOut("link", "elsewhere/source.h5", "/values");
    const RawFile file(Path("view.h5"));
    file.AddView("folder", "elsewhere/source.h5", "/values");
    file.AddView("absolute", Path("elsewhere/source.h5"), "/values");
    file.AddView("missing", "missing.h5", "/values");
    file.AddView("link", "linked.h5", "/values");
    file.AddView("outside", "beside.h5", "/outside");
    file.AddView("link_there", "beside.h5", "/link");
    file.AddView("itself", ".", "/itself");
  }
  ASSERT_EQ(symlink("elsewhere/source.h5", Path("linked.h5").c_str()), 0);
  for (const char* name : {"folder", "absolute"}) {
    Refuses("view.h5", name, {name, "may be elsewhere", "in the same folder"});
  }
  for (const char* name : {"missing", "link"})
    Refuses("view.h5", name, {name, "is not there, or a link"});
  Refuses("view.h5", "outside", {"beside.h5: dataset '/outside'", "in another file"});
  Refuses("view.h5", "link_there", {"beside.h5: '/link' is a link into the file"});
  Refuses("view.h5", "itself", {"view of views of views"});
}

// A few bytes for a name, and thousands for the values again.
TEST_F(Hdf5LinksTest, ManyNamesDoNotMultiplyValues) {
  {
    const RawFile file(Path("w.h5"));
    file.AddGroup("data");
    file.AddGroup("data/fc");
    file.Add("data/fc/0", 20000);
    for (int i = 1; i < 50; ++i) file.LinkHard("data/fc/" + std::to_string(i), "data/fc/0");
    const RawFile twice(Path("twice.h5"));
    twice.AddGroup("data");
    twice.AddGroup("data/fc");
    twice.Add("data/fc/0", 20000);
    twice.LinkHard("data/fc/1", "data/fc/0");
  }
  ExpectError([&] { ReadHdf5Weights(Path("w.h5")); }, {"w.h5: has more values by name than"});
  EXPECT_EQ(ReadHdf5Weights(Path("twice.h5"))[0].blobs.size(), 2u);
}

TEST_F(Hdf5LinksTest, MissingBlobsAreLimited) {
  {
    const RawFile file(Path("w.h5"));
    file.AddGroup("data");
    file.AddGroup("data/fc");
    file.Add("data/fc/2000", 1);
  }
  ExpectError([&] { ReadHdf5Weights(Path("w.h5")); }, {"more than 1000 blobs are missing"});
}

// A group that holds itself twice has a thousand million names.
TEST_F(Hdf5LinksTest, NamesOfGroupsAreLimited) {
  const std::string name(2000, 'n');
  {
    const RawFile file(Path("w.h5"));
    file.AddGroup("data");
    file.AddGroup("data/fc");
    file.AddGroup("data/fc/leaf");
    file.LinkHard("data/fc/" + name, "data/fc");
    file.LinkHard("data/fc/" + name + "2", "data/fc");
  }
  ExpectError([&] { ReadHdf5Weights(Path("w.h5")); }, {"w.h5: its groups"});
}

}  // namespace
}  // namespace crema::test
