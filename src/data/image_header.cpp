#include "data/image_header.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "crema/base/error.h"
#include "data/byte_reader.h"

namespace crema {
namespace {

// What a header states, and the most pixels that a file of its length can hold in that form.
struct Claim {
  double width = 0, height = 0;
  double most_pixels = 0;
};

// Where a form has no bound of its own: what nobody needs to store a picture in, beyond 16
// million pixels.
double LooseBound(const ByteReader& in) { return 16e6 + 8192 * in.size(); }

// Deflate makes 1032 bytes of one at best.
std::optional<Claim> Png(const ByteReader& in) {
  if (!in.Has(0, "\x89PNG\r\n\x1a\n") || !in.Has(12, "IHDR")) return std::nullopt;
  constexpr int kChannels[] = {1, 1, 3, 1, 2, 1, 4, 1};
  const double bits = std::max(1u, in.Byte(24)) * kChannels[in.Byte(25) & 7];
  return Claim{1.0 * in.Big32(16), 1.0 * in.Big32(20), 1032 * in.size() * 8 / bits};
}

// Each block of 8 x 8 pixels takes one bit at least; less than 1/16 with arithmetic coding.
std::optional<Claim> Jpeg(const ByteReader& in) {
  if (!in.Has(0, "\xff\xd8")) return std::nullopt;
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
  if (!in.Has(0, "BM")) return std::nullopt;
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

// "P6 640 480 255", with comments in between.
std::optional<Claim> Pnm(const ByteReader& in) {
  const std::string_view file = in.file();
  if (file.size() < 3 || file[0] != 'P' || file[1] < '1' || file[1] > '6') return std::nullopt;
  double numbers[2] = {};
  size_t at = 2;
  for (double& number : numbers) {
    for (bool comment = false; at < file.size(); ++at) {
      comment = file[at] == '#' || (comment && file[at] != '\n');
      if (!comment && std::isdigit(static_cast<unsigned char>(file[at])) != 0) break;
    }
    for (; at < file.size() && std::isdigit(static_cast<unsigned char>(file[at])) != 0; ++at) {
      number = number * 10 + (file[at] - '0');
    }
  }
  return Claim{numbers[0], numbers[1], 8 * in.size()};
}

// The first directory's ImageWidth (256) and ImageLength (257).
std::optional<Claim> Tiff(const ByteReader& in) {
  const bool little = in.Has(0, std::string_view("II*\0", 4));
  if (!little && !in.Has(0, std::string_view("MM\0*", 4))) return std::nullopt;
  const auto get16 = [&](size_t at) { return little ? in.Little16(at) : in.Big16(at); };
  const auto get32 = [&](size_t at) { return little ? in.Little32(at) : in.Big32(at); };
  const size_t directory = get32(4);
  Claim claim{0, 0, LooseBound(in)};
  for (uint32_t i = 0; i < get16(directory); ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    const uint32_t tag = get16(entry);
    const double value = get16(entry + 2) == 3 ? get16(entry + 8) : get32(entry + 8);
    if (tag == 256) claim.width = value;
    if (tag == 257) claim.height = value;
  }
  return claim;
}

std::optional<Claim> WebP(const ByteReader& in) {
  if (!in.Has(0, "RIFF") || !in.Has(8, "WEBP")) return std::nullopt;
  const double bound = LooseBound(in);
  if (in.Has(12, "VP8X")) {
    return Claim{1.0 + (in.Little32(24) & 0xFFFFFF), 1.0 + (in.Little32(27) & 0xFFFFFF), bound};
  }
  if (in.Has(12, "VP8L")) {
    const uint32_t bits = in.Little32(21);
    return Claim{1.0 + (bits & 0x3FFF), 1.0 + (bits >> 14 & 0x3FFF), bound};
  }
  return Claim{1.0 * (in.Little16(26) & 0x3FFF), 1.0 * (in.Little16(28) & 0x3FFF), bound};
}

}  // namespace

std::string ImplausibleSize(std::string_view file) {
  const ByteReader in(file);
  for (const auto read : {Png, Jpeg, Bmp, Pnm, Tiff, WebP}) {
    const std::optional<Claim> claim = read(in);
    if (!claim.has_value()) continue;
    if (claim->width * claim->height <= claim->most_pixels) return "";
    return Concat("its header claims ", claim->width, " x ", claim->height,
                  " pixels, far more than ", file.size(), " bytes can hold");
  }
  return "";
}

}  // namespace crema
