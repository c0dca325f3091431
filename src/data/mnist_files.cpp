#include "data/mnist_files.h"

#include <glog/logging.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/counted.h"
#include "base/files.h"
#include "crema/error.h"

namespace crema {
namespace {

constexpr uint32_t kImageMagic = 2051, kLabelMagic = 2049;
// An image larger than this is a damaged header.
constexpr uint64_t kMaxImageBytes = uint64_t{1} << 28;
// gzip cannot compress better than this.
constexpr uint64_t kMaxGzipRatio = 1032;

}  // namespace

// zlib reads plain files as they are.
class IdxFile {
 public:
  IdxFile(std::string path, uint32_t magic, const char* what) : path_(std::move(path)) {
    OpenForReading(path_);  // for the reason if it fails
    std::error_code error;
    size_ = std::filesystem::file_size(path_, error);
    if (error) Fail(InFile(path_), ": cannot be read: ", error.message());
    file_.reset(gzopen(path_.c_str(), "rb"));
    if (file_ == nullptr) Fail(InFile(path_), ": cannot be read: ", std::strerror(errno));
    gzbuffer(file_.get(), 1 << 17);
    const uint32_t found = ReadNumber();
    if (found == magic) return;
    const bool swapped = found == kImageMagic || found == kLabelMagic;
    Fail(InFile(path_), ": is not an IDX file of ", what, ": it starts with ", found, ", expected ",
         magic, swapped ? "; name the images first and the labels second" : "");
  }

  const std::string& path() const { return path_; }

  uint32_t ReadNumber() {
    unsigned char bytes[4];
    Read(bytes, sizeof bytes);
    return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
  }

  void Read(void* to, uint64_t bytes) {
    const int got = gzread(file_.get(), to, static_cast<unsigned>(bytes));
    if (got >= 0 && static_cast<uint64_t>(got) == bytes) return;
    int code = Z_OK;
    const char* reason = gzerror(file_.get(), &code);
    if (code != Z_OK && code != Z_BUF_ERROR) Fail(InFile(path_), ": cannot be read: ", reason);
    Fail(InFile(path_), ": is truncated; copy or download it again");
  }

  // Appends to `to`. A compressed file may have far less than it claims: memory is taken only as
  // far as it really gives bytes.
  void Append(uint64_t bytes, std::string* to) {
    constexpr uint64_t kBlock = 1 << 20;
    while (bytes > 0) {
      const uint64_t part = std::min(bytes, kBlock);
      const size_t before = to->size();
      to->resize(before + part);
      Read(&(*to)[before], part);
      bytes -= part;
    }
  }

  // Throws where the file cannot hold what its header says, or holds more. To be called when the
  // header has been read.
  void CheckSize(uint64_t header_bytes, uint64_t items, uint64_t item_bytes) {
    const uint64_t expected = header_bytes + items * item_bytes;
    const bool plain = gzdirect(file_.get()) != 0;
    if (plain ? size_ == expected : expected / kMaxGzipRatio <= size_) return;
    Fail(InFile(path_), ": its header claims ", Counted(items, "item"), " of ",
         Counted(item_bytes, "byte"), ", ", expected, " bytes in total, but the file has ", size_,
         plain ? "" : " compressed", "; copy or download it again");
  }

  void CheckEnd() {
    char byte;
    if (gzread(file_.get(), &byte, 1) != 0)
      Fail(InFile(path_), ": is damaged, or longer than its header claims");
  }

 private:
  struct Closer {
    void operator()(gzFile file) const { gzclose(file); }
  };

  std::string path_;
  uint64_t size_ = 0;
  std::unique_ptr<gzFile_s, Closer> file_;
};

MnistFiles::MnistFiles(const std::string& images_path, const std::string& labels_path)
    : images_(std::make_unique<IdxFile>(images_path, kImageMagic, "images")),
      labels_(std::make_unique<IdxFile>(labels_path, kLabelMagic, "labels")) {
  count_ = images_->ReadNumber();
  const uint32_t label_count = labels_->ReadNumber();
  const uint64_t rows = images_->ReadNumber(), columns = images_->ReadNumber();
  if (count_ != label_count) {
    Fail(images_path, " has ", Counted(count_, "image"), ", but ", labels_path, " has ",
         Counted(label_count, "label"), "; use files that belong together");
  }
  if (count_ == 0) Fail(InFile(images_path), ": contains no images");
  if (rows == 0 || columns == 0 || rows * columns > kMaxImageBytes) {
    Fail(InFile(images_path), ": its header claims ", rows, " rows and ", columns,
         " columns; the file is damaged");
  }
  rows_ = static_cast<int>(rows);
  columns_ = static_cast<int>(columns);
  images_->CheckSize(16, count_, image_bytes());
  labels_->CheckSize(8, count_, 1);
  LOG(INFO) << Concat("A total of ", count_, " items.");
  LOG(INFO) << Concat("Rows: ", rows, " Cols: ", columns);
}

MnistFiles::~MnistFiles() = default;

void MnistFiles::Read(std::string* pixels, int* label) {
  unsigned char byte;
  images_->Append(image_bytes(), pixels);
  labels_->Read(&byte, 1);
  *label = byte;
  if (++read_ < count_) return;
  images_->CheckEnd();
  labels_->CheckEnd();
}

}  // namespace crema
