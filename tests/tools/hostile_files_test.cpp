// Small files whose headers, or many empty parts, ask for gigabytes: with little memory to be had,
// the tool says of each what is wrong with it.
#include <hdf5.h>
#include <zlib.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "base/sanitizers.h"
#include "data/databases.h"
#include "tools/tool_test.h"

namespace crema {
namespace {

using testing::HasSubstr;
using testing::Not;

// What the tool may map besides itself and its libraries.
constexpr rlim_t kRoom = rlim_t{500} << 20;

std::string Big(uint32_t value) {
  std::string bytes;
  for (int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 255);
  return bytes;
}
std::string Little(uint32_t value) {
  const std::string bytes = Big(value);
  return {bytes.rbegin(), bytes.rend()};
}

std::string Repeated(const std::string& part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

class HostileFilesTest : public ToolTest {
 protected:
  ToolResult RunLimited(const Words& words) const {
    ToolOptions options = Here();
    // Each thread would have address space of its own.
    options.environment = {"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MALLOC_ARENA_MAX=1"};
    if (!kHasSanitizer) options.address_space = AddressSpaceOfTool() + kRoom;
    return RunTool(words, options);
  }
  // One sentence about the file, not about the memory.
  void Refuses(Words words, const std::string& part) const {
    words.push_back("--minloglevel=2");
    const ToolResult result = RunLimited(words);
    EXPECT_EQ(result.status, 1) << part << ": " << result.err;
    EXPECT_EQ(SplitLines(result.err).size(), 1u) << result.err;
    EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_THAT(result.err, Not(HasSubstr("out of memory"))) << result.err;
  }
  void RefusesWeights(const std::string& name, const std::string& part) const {
    Refuses({"test", "--model=net.prototxt", "--iterations=1", "--weights=" + name}, part);
  }
};

std::string Encoded(const std::string& kind) {
  std::vector<unsigned char> bytes;
  EXPECT_TRUE(cv::imencode(kind, cv::Mat(16, 16, CV_8UC3, cv::Scalar(3, 3, 3)), bytes)) << kind;
  return {bytes.begin(), bytes.end()};
}

std::string Replaced(std::string file, size_t at, const std::string& bytes) {
  return file.replace(at, bytes.size(), bytes);
}

// The head of a JPEG 2000 file: boxes, then the size 65535 x 65535 of the image and of its tiles.
std::string Jpeg2000() {
  const std::string head = Big(12) + "jP  \r\n\x87\n" + Big(20) + "ftypjp2 " + Big(0) + "jp2 ";
  const std::string size = Big(65535) + Big(65535) + Big(0) + Big(0);
  return head + "\xff\x4f\xff\x51" + std::string("\0\x2f\0\0", 4) + size + size;
}

std::vector<std::pair<std::string, std::string>> HostileImages() {
  const std::string huge = Big(20000) + Big(20000), little_huge = Little(20000) + Little(20000);
  const std::string jpeg = Encoded(".jpg"), claims = "20000 x 20000 pixels, far more than";
  const size_t frame = jpeg.find(std::string("\xFF\xC0\x00", 3)) + 5;
  const auto tiff = [](const std::string& entries, char count) {
    return std::string("II*\0\x08\0\0\0", 8) + count + '\0' +
           std::string("\0\1\4\0\1\0\0\0\x08\0\0\0\1\1\4\0\1\0\0\0\x08\0\0\0", 24) + entries;
  };
  const std::string one = std::string("\4\0\1\0\0\0", 6), side = one + Little(20000);
  return {
      {Replaced(Encoded(".png"), 16, huge), claims},
      {Replaced(jpeg, frame, "\x4E\x20\x4E\x20"), claims},
      {Replaced(Encoded(".bmp"), 18, little_huge), claims},
      {"P6 20000 20000 255\n123", claims},
      {"P3 #\r20000 20000 255\n1 1 1", claims},
      {Replaced(Encoded(".ras"), 4, huge), claims},
      {tiff("\x42\1" + side + "\x43\1" + side, 4), claims},                 // tiles
      {tiff("\x16\1" + one + Little(1 << 24), 3), "could not be decoded"},  // rows of a strip
      {std::string("RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xff\xff\xff\x0f", 25), "16384 x 16384"},
      {Jpeg2000(), "a JPEG 2000 image, which is not read"},
      {"GIF89a" + std::string("\xff\xff\xff\xff\0\0\0", 7), "a GIF image, which is not read"},
      {"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 20000 +X 20000\n", "a Radiance (HDR) image"},
      {"PF\n20000 20000\n-1\n", "a PFM image"},
      {"P7\nWIDTH 20000\nHEIGHT 20000\nDEPTH 3\nMAXVAL 255\nENDHDR\n", "a PAM image"},
  };
}

TEST_F(HostileFilesTest, Images) {
  for (const auto& [file, part] : HostileImages()) {
    Write("image", file);
    Write("list", "image 0\n");
    Refuses({"convert", "imageset", "./", "list", "db"}, part);
  }
}

TEST_F(HostileFilesTest, ImagesInRecords) {
  int number = 0;
  for (const auto& [file, part] : HostileImages()) {
    proto::Datum datum;
    datum.set_encoded(true);
    datum.set_data(file);
    const std::string database = Concat("db", number++);
    test::WriteDatums(Backend::kLmdb, (folder_ / database).string(), {datum});
    Refuses({"mean", database, "mean.binaryproto"}, part);
  }
}

TEST_F(HostileFilesTest, MnistHeaders) {
  const auto refuses = [&](const std::string& images, const std::string& labels,
                           const std::string& part) {
    Write("images", images);
    Write("labels", labels);
    Refuses({"convert", "mnist", "images", "labels", "db"}, part);
    Refuses({"convert", "mnist_pairs", "images", "labels", "db"}, part);
  };
  const std::string magic = Big(2051), labels = Big(2049);
  refuses(magic + Big(0) + Big(16384) + Big(16384), labels + Big(0), "contains no images");
  refuses(magic + Big(1) + Big(16384) + Big(16384), labels + Big(1) + "x",
          "header claims 1 item of");
  refuses(magic + Big(1u << 31) + Big(1) + Big(1), labels + Big(1u << 31), "2147483648 items");
}

// As many compressed bytes as could be 268 million, but are half a million.
TEST_F(HostileFilesTest, CompressedMnistHeaders) {
  const gzFile images = gzopen((folder_ / "images").c_str(), "wb0");
  const std::string head = Big(2051) + Big(1) + Big(16384) + Big(16384), pixels(500000, 'x');
  gzwrite(images, head.data(), static_cast<unsigned>(head.size()));
  gzwrite(images, pixels.data(), static_cast<unsigned>(pixels.size()));
  gzclose(images);
  Write("labels", Big(2049) + Big(1) + "x");
  Refuses({"convert", "mnist", "images", "labels", "db"}, "images: is truncated");
}

// Two or three bytes each, and hundreds in memory.
TEST_F(HostileFilesTest, EmptyPartsOfWeights) {
  constexpr int kMany = 3000000;
  std::string net;  // one layer that holds the blobs
  const std::string blobs = Repeated(std::string("\x3a\0", 2), kMany);
  for (uint32_t size = blobs.size(); size > 0; size >>= 7) {
    net += static_cast<char>((size & 0x7F) | (size > 0x7F ? 0x80 : 0));
  }
  Write("blobs", "\xa2\x06" + net + blobs);
  RefusesWeights("blobs", "blobs: has so many empty parts");
  Write("layers", Repeated(std::string("\xa2\x06\0", 3), kMany));
  RefusesWeights("layers", "layers: has so many empty parts");
  Write("old_layers", Repeated(std::string("\x12\0", 2), kMany));
  RefusesWeights("old_layers", "old_layers: has so many empty parts");
  Write("state", std::string("\x08\1\x12\2\x08\1", 6) + Repeated(std::string("\x1a\0", 2), kMany));
  RefusesWeights("state", "state: has so many empty parts");
  Refuses({"train", "--solver=solver.prototxt", "--snapshot=state"}, "has so many empty parts");
}

TEST_F(HostileFilesTest, EmptyPartsOfTexts) {
  Write("net.prototxt", Repeated("layer{}", 2000000));
  Refuses({"show", "--model=net.prototxt"}, "opens 2000000 groups");
  Write("solver.prototxt", Repeated("net_param{}", 2000000));
  Refuses({"train", "--solver=solver.prototxt"}, "opens 2000000 groups");
}

// Datasets that are larger than their file, and chunks that are.
TEST_F(HostileFilesTest, Hdf5Sizes) {
  const auto write = [&](const std::string& name, hsize_t extent, hsize_t chunk) {
    const hid_t file = H5Fcreate((folder_ / name).c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t space = H5Screate_simple(1, &extent, nullptr);
    const hid_t plan = H5Pcreate(H5P_DATASET_CREATE), links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    H5Pset_chunk(plan, 1, &chunk);
    H5Dclose(H5Dcreate2(file, "data/fc/0", H5T_IEEE_F32LE, space, links, plan, H5P_DEFAULT));
    H5Pclose(plan);
    H5Pclose(links);
    H5Sclose(space);
    H5Fclose(file);
  };
  write("wide.h5", hsize_t{1} << 40, 1000);
  RefusesWeights("wide.h5", "claims more values than");
  write("chunk.h5", 1 << 29, 1 << 29);
  RefusesWeights("chunk.h5", "claims chunks larger than the file");
}

// A file that a picture is made of: it has one, though not of all.
TEST_F(HostileFilesTest, PanelsOfPlots) {
  Write("wide.jsonl", "{\"event\":\"test\",\"iteration\":1,\"outputs\":{\"a\":[1" +
                          Repeated(",1", 3000) + "]}}\n");
  const ToolResult result = RunLimited({"plot", "wide.jsonl", "--out=a.png"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(Has("a.png"));
  Write("deep.jsonl", "{\"event\":" + Repeated("[", 1000000));
  Refuses({"plot", "deep.jsonl", "--out=a.png"}, "contains no training log");
}

}  // namespace
}  // namespace crema
