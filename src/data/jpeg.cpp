#include "data/jpeg.h"

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <vector>

#include "crema/error.h"
#include "data/byte_reader.h"

namespace crema {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;
// Encoders make about ten. Each takes as long as the whole image does, however few its bytes are.
constexpr int kMostScans = 100;

// As OpenCV has it.
int64_t MostPixels() {
  constexpr int64_t kMost = int64_t{1} << 30;
  const char* const variable = std::getenv("OPENCV_IO_MAX_IMAGE_PIXELS");
  const int64_t wanted = variable == nullptr ? 0 : std::atoll(variable);
  return wanted > 0 ? std::min(wanted, kMost) : kMost;
}

// What libjpeg reports. It must stay in C: an error jumps to `escape`.
struct Messages {
  jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is one to all of it
  jmp_buf escape;
  char first[JMSG_LENGTH_MAX];  // the error, or the first warning
  bool in_pixels;               // while reading rows
  bool ended;                   // the file ended before its end marker
  bool lacks_pixels;            // the data of the pixels ended early, or cannot be read
  unsigned row;                 // then: where in its scan
  bool has_too_many_scans;      // the error
};

Messages& MessagesOf(j_common_ptr info) { return *reinterpret_cast<Messages*>(info->err); }

[[noreturn]] void OnError(j_common_ptr info) {
  Messages& messages = MessagesOf(info);
  messages.base.format_message(info, messages.first);
  std::longjmp(messages.escape, 1);
}

// Negative levels are warnings, the others notes.
void OnMessage(j_common_ptr info, int level) {
  if (level >= 0) return;
  Messages& messages = MessagesOf(info);
  if (messages.base.num_warnings++ == 0) messages.base.format_message(info, messages.first);
  const int code = messages.base.msg_code;
  if (code == JWRN_JPEG_EOF) messages.ended = true;
  if (!messages.in_pixels || messages.lacks_pixels) return;
  if (code != JWRN_HIT_MARKER && code != JWRN_HUFF_BAD_CODE) return;
  messages.lacks_pixels = true;
  const auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  messages.row =
      decoder->input_iMCU_row * static_cast<unsigned>(decoder->max_v_samp_factor) * DCTSIZE;
}

void Discard(j_common_ptr) {}

void OnProgress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  Messages& messages = MessagesOf(info);
  messages.has_too_many_scans = true;
  std::longjmp(messages.escape, 1);
}

// One file. The functions that return false have met an error, which `messages` tells.
class Decoder {
 public:
  explicit Decoder(std::string_view file) : file_(file) {
    info_.err = jpeg_std_error(&messages_.base);
    messages_.base.error_exit = OnError;
    messages_.base.emit_message = OnMessage;
    messages_.base.output_message = Discard;
    progress_.progress_monitor = OnProgress;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool ReadHeader(int flag);
  bool ReadRows(cv::Mat* image);

  const Messages& messages() const { return messages_; }
  int height() const { return static_cast<int>(info_.output_height); }
  int width() const { return static_cast<int>(info_.output_width); }
  int type() const { return gray_ ? CV_8UC1 : CV_8UC3; }
  // Whether it is known which rows damage is in: those of a single scan, by Huffman's code.
  bool knows_rows() const { return knows_rows_; }
  int orientation() const { return orientation_; }

 private:
  void TakeInks(uint8_t* row) const;
  int FindOrientation() const;

  std::string_view file_;
  jpeg_decompress_struct info_ = {};
  Messages messages_ = {};
  jpeg_progress_mgr progress_ = {};
  bool gray_ = false;
  bool rows_are_read_ = false;
  int orientation_ = 1;
  bool knows_rows_ = false;
  std::vector<uint8_t> inks_;  // a row of cyan, magenta, yellow, black
};

bool Decoder::ReadHeader(int flag) {
  if (setjmp(messages_.escape) != 0) return false;
  jpeg_create_decompress(&info_);
  info_.progress = &progress_;
  jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(file_.data()), file_.size());
  jpeg_save_markers(&info_, kExifMarker, 0xFFFF);
  jpeg_read_header(&info_, TRUE);
  orientation_ = FindOrientation();
  knows_rows_ = jpeg_has_multiple_scans(&info_) == FALSE && info_.arith_code == FALSE;
  const bool as_stored = flag == cv::IMREAD_UNCHANGED;
  gray_ = as_stored ? info_.num_components == 1 : flag == cv::IMREAD_GRAYSCALE;
  info_.out_color_space = info_.num_components == 4 ? JCS_CMYK
                          : gray_                   ? JCS_GRAYSCALE
                                                    : JCS_EXT_BGR;
  jpeg_calc_output_dimensions(&info_);
  if (info_.num_components == 4) inks_.resize(size_t{4} * info_.output_width);
  return true;
}

// An error behind the last row is none for the pixels.
bool Decoder::ReadRows(cv::Mat* image) {
  if (setjmp(messages_.escape) != 0) return rows_are_read_;
  messages_.in_pixels = true;
  jpeg_start_decompress(&info_);
  while (info_.output_scanline < info_.output_height) {
    uint8_t* const row = image->ptr<uint8_t>(static_cast<int>(info_.output_scanline));
    JSAMPROW to = inks_.empty() ? row : inks_.data();
    jpeg_read_scanlines(&info_, &to, 1);
    if (!inks_.empty()) TakeInks(row);
  }
  rows_are_read_ = true;
  jpeg_finish_decompress(&info_);
  return true;
}

// Inks are stored inverted, as Adobe's programs do. The grey is that of OpenCV: weights of 14 bits.
void Decoder::TakeInks(uint8_t* row) const {
  constexpr int kRed = 4899, kGreen = 9617, kBlue = (1 << 14) - kRed - kGreen, kHalf = 1 << 13;
  const auto mixed = [](int ink, int black) { return black - ((255 - ink) * black >> 8); };
  const uint8_t* in = inks_.data();
  for (int x = 0; x < width(); ++x, in += 4) {
    const int red = mixed(in[0], in[3]), green = mixed(in[1], in[3]), blue = mixed(in[2], in[3]);
    if (gray_) {
      row[x] = static_cast<uint8_t>((red * kRed + green * kGreen + blue * kBlue + kHalf) >> 14);
    } else {
      row[3 * x] = static_cast<uint8_t>(blue);
      row[3 * x + 1] = static_cast<uint8_t>(green);
      row[3 * x + 2] = static_cast<uint8_t>(red);
    }
  }
}

// The number that a camera puts into the first directory of its Exif data, from 1 to 8.
int Decoder::FindOrientation() const {
  constexpr std::string_view kExif("Exif\0\0", 6);
  constexpr uint32_t kOrientation = 0x0112;
  for (auto* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
    const ByteReader whole({reinterpret_cast<const char*>(marker->data), marker->data_length});
    if (marker->marker != kExifMarker || !whole.Has(0, kExif)) continue;
    const ByteReader in(whole.file().substr(kExif.size()));
    const bool little = in.Has(0, "II");
    if (!little && !in.Has(0, "MM")) continue;
    const auto get16 = [&](size_t at) { return little ? in.Little16(at) : in.Big16(at); };
    const size_t directory = little ? in.Little32(4) : in.Big32(4);
    for (size_t i = 0; i < get16(directory); ++i) {
      const size_t entry = directory + 2 + 12 * i;
      if (get16(entry) == kOrientation) return static_cast<int>(get16(entry + 8));
    }
  }
  return 1;
}

// Turns an image as its camera was held; from 2 to 8, since 1 is upright.
void Turn(int orientation, cv::Mat* image) {
  if (orientation >= 5) *image = image->t();
  constexpr int kNone = 2, kLeftRight = 1, kUpDown = 0, kBoth = -1;
  constexpr int kFlips[] = {kLeftRight, kBoth, kUpDown, kNone, kLeftRight, kBoth, kUpDown};
  const int flip = kFlips[orientation - 2];
  if (flip != kNone) cv::flip(*image, *image, flip);
}

std::string Problem(const Messages& messages) {
  if (messages.has_too_many_scans) {
    return Concat("it has more than ", kMostScans, " scans; the image file is damaged");
  }
  return Concat("libjpeg says \"", messages.first, "\"; the image file is truncated or damaged");
}

std::string Flaw(const Decoder& decoder) {
  const Messages& messages = decoder.messages();
  if (messages.base.num_warnings == 0) return "";
  const bool with_row = messages.lacks_pixels && decoder.knows_rows();
  const std::string row = Concat("row ", messages.row, " of ", decoder.height());
  if (!messages.ended) {
    return Concat("is damaged", with_row ? " in " + row : "", ": libjpeg says \"", messages.first,
                  "\"");
  }
  if (with_row) return "is truncated in " + row + "; the missing part is grey";
  if (decoder.knows_rows()) return "is truncated; only its end mark is missing, no pixels";
  return "is truncated; it may be less detailed than intended, or partly grey";
}

}  // namespace

bool IsJpeg(std::string_view file) { return file.substr(0, 3) == "\xff\xd8\xff"; }

cv::Mat DecodeJpeg(std::string_view file, int flag, DecodeReport* report) {
  Decoder decoder(file);
  cv::Mat image;
  bool read = decoder.ReadHeader(flag);
  if (read) {
    if (int64_t{decoder.height()} * decoder.width() > MostPixels()) {
      report->problem = Concat("it has ", decoder.height(), " x ", decoder.width(),
                               " pixels, but at most ", MostPixels(), " are supported");
      return {};
    }
    image.create(decoder.height(), decoder.width(), decoder.type());
    read = decoder.ReadRows(&image);
  }
  if (!read) {
    report->problem = Problem(decoder.messages());
    return {};
  }
  report->flaw = Flaw(decoder);
  if (decoder.messages().ended) report->mended = std::string(file) + "\xff\xd9";
  report->turns = decoder.orientation() >= 2 && decoder.orientation() <= 8;
  if (report->turns && flag != cv::IMREAD_UNCHANGED) Turn(decoder.orientation(), &image);
  return image;
}

}  // namespace crema
