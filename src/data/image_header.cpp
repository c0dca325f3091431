#include "data/image_header.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <optional>
#include <utility>

#include "crema/error.h"
#include "data/byte_reader.h"

namespace crema {
namespace {

// What a header states, and the most pixels that a file of its length can hold in that form.
struct Claim {
  double width = 0, height = 0;
  double most_pixels = 0;
};

// The claim of a header in which decoders may find another size than is found here.
constexpr Claim kUnclear = {0, 0, -1};

// Where a form has no bound of its own: what nobody needs to store a picture in, beyond 16
// million pixels.
double LooseBound(const ByteReader& in) { return 16e6 + 8192 * in.size(); }

// Deflate makes 1032 bytes of one at best.
constexpr double kDeflate = 1032;

std::optional<Claim> Png(const ByteReader& in) {
  if (!in.Has(12, "IHDR")) return std::nullopt;
  constexpr int kChannels[] = {1, 1, 3, 1, 2, 1, 4, 1};
  const double bits = std::max(1u, in.Byte(24)) * kChannels[in.Byte(25) & 7];
  return Claim{1.0 * in.Big32(16), 1.0 * in.Big32(20), kDeflate * in.size() * 8 / bits};
}

// Each block of 8 x 8 pixels takes one bit at least; less than 1/16 with arithmetic coding.
std::optional<Claim> Jpeg(const ByteReader& in) {
  for (size_t at = 2; at + 9 < in.file().size();) {
    const uint32_t marker = in.Byte(at + 1);
    if (in.Byte(at) != 0xFF || marker == 0xFF || marker == 0) {
      ++at;  // as decoders do: on to the next marker
      continue;
    }
    const bool is_frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (is_frame) {
      const double blocks = 8 * in.size() * (marker >= 0xC9 ? 16 : 1);
      return Claim{1.0 * in.Big16(at + 7), 1.0 * in.Big16(at + 5), 64 * blocks};
    }
    const bool alone = marker == 0x01 || (marker >= 0xD0 && marker <= 0xD9);
    at += alone ? 2 : 2 + std::max(2u, in.Big16(at + 2));
  }
  return std::nullopt;
}

std::optional<Claim> Bmp(const ByteReader& in) {
  if (in.Little32(14) == 12) {  // the oldest header
    const double bits = std::max(1u, in.Little16(24));
    return Claim{1.0 * in.Little16(18), 1.0 * in.Little16(20), 8 * in.size() / bits};
  }
  const auto signed_size = [&](size_t at) {
    const double value = static_cast<int32_t>(in.Little32(at));
    return value < 0 ? -value : value;  // rows from the top
  };
  const double bits = std::max(1u, in.Little16(28));
  const bool runs = in.Little32(30) == 1 || in.Little32(30) == 2;
  return Claim{signed_size(18), signed_size(22), runs ? LooseBound(in) : 8 * in.size() / bits};
}

bool IsBlank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// "P6 640 480 255", with comments in between, which end with the line.
std::optional<Claim> Pnm(const ByteReader& in) {
  const std::string_view file = in.file();
  double numbers[2] = {};
  size_t at = 2;
  for (double& number : numbers) {
    for (bool comment = false; at < file.size(); ++at) {
      const char c = file[at];
      comment = c == '#' || (comment && c != '\n' && c != '\r');
      if (!comment && !IsBlank(c)) break;
    }
    if (at < file.size() && !IsDigit(file[at])) return kUnclear;
    for (; at < file.size() && IsDigit(file[at]); ++at) number = number * 10 + (file[at] - '0');
    if (at < file.size() && !IsBlank(file[at])) return kUnclear;
  }
  return Claim{numbers[0], numbers[1], 8 * in.size()};
}

// Magic, width, height, bits of a pixel, length, form. Runs take three bytes for 256.
std::optional<Claim> SunRaster(const ByteReader& in) {
  constexpr uint32_t kRuns = 2;
  const double bits = std::max(1u, in.Big32(12));
  const double ratio = in.Big32(20) == kRuns ? 256.0 / 3 : 1;
  return Claim{1.0 * in.Big32(4), 1.0 * in.Big32(8), ratio * 8 * in.size() / bits};
}

std::optional<Claim> WebP(const ByteReader& in) {
  const double bound = LooseBound(in);
  if (in.Has(12, "VP8X")) {
    return Claim{1.0 + (in.Little32(24) & 0xFFFFFF), 1.0 + (in.Little32(27) & 0xFFFFFF), bound};
  }
  if (in.Has(12, "VP8L")) {
    const uint32_t bits = in.Little32(21);
    return Claim{1.0 + (bits & 0x3FFF), 1.0 + (bits >> 14 & 0x3FFF), bound};
  }
  if (!in.Has(12, "VP8 ")) return kUnclear;  // decoders take the frame that begins here
  return Claim{1.0 * (in.Little16(26) & 0x3FFF), 1.0 * (in.Little16(28) & 0x3FFF), bound};
}

// The first directory of a TIFF.
class TiffDirectory {
 public:
  explicit TiffDirectory(const ByteReader& in) : in_(in), little_(in.Has(0, "II")) {}

  Claim Read();

  // Where the number of rows of a strip stands, if it is larger than the image, and in its place
  // the number that it stands for, as it is stored; empty if all is well.
  std::optional<std::pair<size_t, std::string>> RowsToCorrect();

 private:
  // The numbers of tags that are looked at; the others are passed over.
  enum Tag {
    kWidth = 256,
    kHeight = 257,
    kBits = 258,
    kCompression = 259,
    kSamples = 277,
    kRowsPerStrip = 278,
    kTileWidth = 322,
    kTileHeight = 323,
  };

  uint32_t Get16(size_t at) const { return little_ ? in_.Little16(at) : in_.Big16(at); }
  uint32_t Get32(size_t at) const { return little_ ? in_.Little32(at) : in_.Big32(at); }
  void ReadEntry(size_t at);
  double Ratio() const;
  // How many pixels may lie in a file of this length, and how many in the memory for it.
  double MostStored() const { return Ratio() * 8 * in_.size() / (samples_ * bits_); }
  double MostDecoded() const {
    return 3 * LooseBound(in_) / std::max(3.0, samples_ * std::max(1.0, bits_ / 8));
  }

  const ByteReader& in_;
  bool little_, unclear_ = false;
  double width_ = 0, height_ = 0, bits_ = 1, samples_ = 1;
  double rows_per_strip_ = 0, tile_width_ = 0, tile_height_ = 0;
  size_t rows_at_ = 0;
  bool rows_are_short_ = false;
  uint32_t compression_ = 1;
};

// Of two entries with one tag the larger counts, as decoders differ.
void TiffDirectory::ReadEntry(size_t at) {
  constexpr uint32_t kShort = 3, kLong = 4;
  const uint32_t tag = Get16(at), type = Get16(at + 2), count = Get32(at + 4);
  double* const numbers[] = {&width_,          &height_,     &bits_,       &samples_,
                             &rows_per_strip_, &tile_width_, &tile_height_};
  constexpr Tag kTags[] = {kWidth,        kHeight,    kBits,      kSamples,
                           kRowsPerStrip, kTileWidth, kTileHeight};
  const auto found = std::find(std::begin(kTags), std::end(kTags), tag);
  if (found == std::end(kTags) && tag != kCompression) return;
  // Only bits are one for each sample; what does not fit into the entry lies elsewhere.
  const bool lies_elsewhere = tag == kBits && count > (type == kShort ? 2u : 1u);
  if ((type != kShort && type != kLong) || (tag != kBits && count != 1)) unclear_ = true;
  const size_t place = lies_elsewhere ? Get32(at + 8) : at + 8;
  const uint32_t value = type == kShort ? Get16(place) : Get32(place);
  if (tag == kRowsPerStrip) {
    rows_at_ = at + 8;
    rows_are_short_ = type == kShort;
  }
  if (tag == kCompression) {
    compression_ = value;
  } else {
    double& number = *numbers[found - std::begin(kTags)];
    number = std::max(number, 1.0 * value);
  }
}

// How many bytes the compression makes of one at best; 0 where it has no bound, or none is known.
double TiffDirectory::Ratio() const {
  constexpr double kFewColors = 3;          // they may be stored for several pixels together
  constexpr double kLzw = 2560;             // codes of 12 bits for up to 3840 bytes
  constexpr double kJpegSamples = 512 * 3;  // see above
  switch (compression_) {
    case 1: return kFewColors;
    case 5: return kLzw;
    case 7: return kJpegSamples;
    case 8:
    case 32946: return kDeflate;
    case 32773: return 64;  // runs of 128 in two bytes
    default: return 0;
  }
}

// Decoders take memory for a whole tile, or strip, too.
Claim TiffDirectory::Read() {
  const size_t directory = Get32(4);
  for (uint32_t i = 0; i < Get16(directory); ++i) ReadEntry(directory + 2 + size_t{12} * i);
  if (unclear_) return kUnclear;
  const Claim tile{tile_width_, tile_height_, MostDecoded()};
  if (tile.width * tile.height > tile.most_pixels) return tile;
  const Claim strip{width_, std::min(rows_per_strip_, height_), MostDecoded()};
  if (strip.width * strip.height > strip.most_pixels) return strip;
  return {width_, height_, Ratio() > 0 ? MostStored() : MostDecoded()};
}

std::optional<std::pair<size_t, std::string>> TiffDirectory::RowsToCorrect() {
  Read();
  constexpr double kAllRows = 4294967295;
  const bool fits = rows_per_strip_ <= height_ || rows_per_strip_ == kAllRows;
  if (unclear_ || fits || height_ < 1) return std::nullopt;
  const size_t bytes = rows_are_short_ ? 2 : 4;
  const auto rows = static_cast<uint32_t>(height_);
  std::string stored;
  for (size_t i = 0; i < bytes; ++i) {
    stored += static_cast<char>(rows >> 8 * (little_ ? i : bytes - 1 - i) & 255);
  }
  return std::make_pair(rows_at_, stored);
}

std::optional<Claim> Tiff(const ByteReader& in) { return TiffDirectory(in).Read(); }

bool IsPnm(const ByteReader& in) {
  const std::string_view file = in.file();
  return file.size() > 2 && file[0] == 'P' && file[1] >= '1' && file[1] <= '6' && IsBlank(file[2]);
}

using Reader = std::optional<Claim> (*)(const ByteReader&);

// The kinds that are read, but for those of IsPnm.
struct Kind {
  std::string_view begin;
  Reader read;
};
constexpr Kind kKinds[] = {
    {"\xff\xd8\xff", Jpeg},
    {"\x89PNG\r\n\x1a\n", Png},
    {"BM", Bmp},
    {{"II*\0", 4}, Tiff},
    {{"MM\0*", 4}, Tiff},
    {"RIFF", WebP},
    {"\x59\xa6\x6a\x95", SunRaster},
};

// Others that are known. Some OpenCV reads most of them; a few of their bytes may stand for
// gigabytes.
struct Unread {
  size_t at;
  std::string_view text;
  const char* name;
};
constexpr Unread kUnread[] = {
    {4, "ftyp", "an AVIF or HEIF image or a video"},
    {4, "jP  \r\n\x87\n", "a JPEG 2000 image"},
    {0, "\xff\x4f\xff\x51", "a JPEG 2000 image"},
    {4, "JXL \r\n\x87\n", "a JPEG XL image"},
    {0, "\xff\x0a", "a JPEG XL image"},
    {0, "GIF8", "a GIF image"},
    {0, "\x76\x2f\x31\x01", "an OpenEXR image"},
    {0, "#?RADIANCE", "a Radiance (HDR) image"},
    {0, "#?RGBE", "a Radiance (HDR) image"},
    {0, "P7\n", "a PAM image"},
    {0, "PF\n", "a PFM image"},
    {0, "Pf\n", "a PFM image"},
    {0, {"II+\0", 4}, "a BigTIFF image"},
    {0, {"MM\0+", 4}, "a BigTIFF image"},
    {0, "NITF", "a NITF image"},
    {0, "8BPS", "a Photoshop image"},
    {128, "DICM", "a DICOM image"},
};

bool Is(const ByteReader& in, const Kind& kind) {
  return in.Has(0, kind.begin) && (kind.read != WebP || in.Has(8, "WEBP"));
}

// Null where the file is of no kind that is read.
Reader ReaderOf(const ByteReader& in) {
  for (const Kind& kind : kKinds) {
    if (Is(in, kind)) return kind.read;
  }
  return IsPnm(in) ? Pnm : nullptr;
}

}  // namespace

std::string UnreadKind(std::string_view file) {
  if (file.empty()) return "it is empty; put an image in its place";
  const ByteReader in(file);
  const bool is_read = ReaderOf(in) != nullptr;
  for (const Unread& kind : kUnread) {
    // A decoder may look for the marks that stand further back before it looks for others.
    if (!in.Has(kind.at, kind.text) || (is_read && kind.at != 4)) continue;
    return Concat("it is ", kind.name, ", which is not read; convert it to PNG");
  }
  if (is_read) return "";
  return Concat("its ", file.size(),
                " bytes could not be decoded; they do not begin as those of a ", kImageKinds,
                " image do, so it is damaged, or must be converted to PNG");
}

std::string ImplausibleSize(std::string_view file) {
  const ByteReader in(file);
  const Reader read = ReaderOf(in);
  const std::optional<Claim> claim = read == nullptr ? std::nullopt : read(in);
  if (!claim.has_value()) return "";
  if (claim->most_pixels < 0) {
    return "its header is not clear about its size; write it anew with another program";
  }
  if (claim->width * claim->height <= claim->most_pixels) return "";
  return Concat("its header claims ", claim->width, " x ", claim->height, " pixels, far more than ",
                file.size(), " bytes can hold; the image file is damaged");
}

std::string WithRowsThatFit(std::string_view file) {
  const ByteReader in(file);
  if (ReaderOf(in) != Tiff) return "";
  const auto correction = TiffDirectory(in).RowsToCorrect();
  if (!correction.has_value()) return "";
  const auto& [at, stored] = *correction;
  if (at + stored.size() > file.size()) return "";
  return std::string(file).replace(at, stored.size(), stored);
}

}  // namespace crema
