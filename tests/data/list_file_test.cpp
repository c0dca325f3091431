#include "data/list_file.h"

#include <gtest/gtest.h>

#include "data/databases.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

class ListFileTest : public testing::Test {
 protected:
  void Fails(const std::string& list, const std::vector<std::string>& parts,
             const std::string& owner = "layer 'x' (ImageData)") {
    WriteAll(path_, list);
    ExpectError([&] { ReadImageList(path_, owner); }, parts);
  }

  TempFolder temp_;
  const std::string path_ = temp_ / "list";
};

TEST_F(ListFileTest, TakesWhatEditorsLeave) {
  WriteAll(path_,
           "\xef\xbb\xbf"
           "a.png 1\r\n\r\n  \t\nb c.png\t-2 \nd\xc3\xa9.png   +3\n4.png 4");
  const std::vector<ListedImage> images = ReadImageList(path_, "x");
  ASSERT_EQ(images.size(), 4u);
  EXPECT_EQ(images[0].path, "a.png");
  EXPECT_EQ(images[0].label, 1);
  EXPECT_EQ(images[0].line, 1);
  EXPECT_EQ(images[1].path, "b c.png");
  EXPECT_EQ(images[1].label, -2);
  EXPECT_EQ(images[1].line, 4);
  EXPECT_EQ(images[2].path, "d\xc3\xa9.png");
  EXPECT_EQ(images[2].label, 3);
  EXPECT_EQ(images[3].path, "4.png");
}

TEST_F(ListFileTest, NamesTheLine) {
  const std::string at = "layer 'x' (ImageData): " + path_;
  Fails("a.png 1\n\na.png\n", {at + ":3: \"a.png\" does not end with a label", "an integer"});
  Fails("a.png 1.5\n", {at + ":1: ", "label"});
  Fails("a.png 99999999999\n",
        {at + ":1: \"a.png 99999999999\" has a label that is out of range", "to 2147483647"});
  Fails("a.png 99999999999x\n", {at + ":1: ", "does not end with a label"});
  Fails("a.png +-1\n", {at + ":1: ", "label"});
  Fails("17\n", {at + ":1: \"17\" does not end"});
  Fails("  17\n", {at + ":1: ", "a label without a path"});
  Fails("a\x7f.png\n", {":1: \"a\\x7f.png\""}, "");
  Fails(std::string(5000, 'y') + "\n", {":1: \"yyyy", "yyy...\" does not end"});
  Fails("\n \r\n", {"the list " + path_ + " is empty", "an image path and a label"});
}

// Never the bytes of a file that is no list.
TEST_F(ListFileTest, SaysWhatAFileIsThatIsNoList) {
  const std::string be = "; it must be a text file with an image path and a label";
  Fails("\x89HDF\r\n\x1a\n and more", {"the list " + path_ + " is an HDF5 file" + be});
  Fails("\xff\xd8\xff\xe0 and more", {"is a JPEG image" + be});
  Fails("\x89PNG\r\n\x1a\n and more", {"is a PNG image" + be});
  Fails(std::string("BM\0\0\x01 and more", 14), {"is a binary file" + be});
  Fails(std::string("\xff\xfe"
                    "a\0 \0"
                    "1\0",
                    8),
        {"is UTF-16 text (save it as UTF-8)" + be});
  ExpectError([&] { ReadImageList(temp_.path(), "x"); },
              {"x: the list " + temp_.path() + " is a folder" + be});
  ExpectError([&] { ReadImageList(temp_ / "none", "x"); },
              {"x: the list " + (temp_ / "none") + ": cannot be opened", "No such file"});
}

TEST_F(ListFileTest, FilesMayHaveBlanksInTheirNames) {
  for (const char* name : {"a b.h5", "c.h5", "d.h5"}) WriteAll(temp_ / name, "x");
  const auto read = [&] { return ReadFileList(path_, "a list", "x"); };
  WriteAll(path_, "\xef\xbb\xbf" + (temp_ / "a b.h5") + "\r\n\r\n  " + (temp_ / "c.h5") + " \n");
  EXPECT_EQ(read(), (std::vector<std::string>{temp_ / "a b.h5", temp_ / "c.h5"}));
  // Several in a line, as Caffe takes them.
  WriteAll(path_, (temp_ / "c.h5") + " " + (temp_ / "d.h5") + "\n" + (temp_ / "a b.h5"));
  EXPECT_EQ(read(), (std::vector<std::string>{temp_ / "c.h5", temp_ / "d.h5", temp_ / "a b.h5"}));
  WriteAll(path_, (temp_ / "c.h5") + "\n" + (temp_ / "no ne.h5") + "\n");
  ExpectError(read, {"x: " + path_ + ":2: the file \"", "no ne.h5\" cannot be opened"});
  WriteAll(path_, temp_.path());
  ExpectError(read, {path_ + ":1: ", "is a folder, not a file"});
}

}  // namespace
}  // namespace crema::test
