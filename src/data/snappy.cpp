// The packed bytes begin with the size of the result, seven bits a byte. Elements follow, of which
// the lowest two bits of the first byte tell the kind: 0 means bytes to take as they are, 1 to 3
// mean bytes to copy from further back in the result, by a distance of 11, 16 or 32 bits.
#include "data/snappy.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace crema {
namespace {

// The most that a byte can stand for: 3 bytes copy 64.
constexpr uint64_t kMostGrowth = 22;

class Unpacker {
 public:
  Unpacker(std::string_view packed, char* out, size_t size)
      : in_(packed.data()),
        in_end_(in_ + packed.size()),
        begin_(out),
        out_(out),
        end_(out + size) {}

  bool Run() {
    while (in_ < in_end_) {
      const auto tag = static_cast<unsigned char>(*in_++);
      if (!((tag & 3) == 0 ? Literal(tag >> 2) : Copy(tag))) return false;
    }
    return out_ == end_;
  }

 private:
  size_t in_left() const { return static_cast<size_t>(in_end_ - in_); }
  size_t out_left() const { return static_cast<size_t>(end_ - out_); }

  // Takes a number of `bytes` bytes off the input.
  bool Number(size_t bytes, size_t* number) {
    if (in_left() < bytes) return false;
    *number = 0;
    for (size_t i = 0; i < bytes; ++i) {
      *number |= static_cast<size_t>(static_cast<unsigned char>(*in_++)) << 8 * i;
    }
    return true;
  }

  bool Literal(size_t length) {
    if (length >= 60 && !Number(length - 59, &length)) return false;
    ++length;
    if (length > in_left() || length > out_left()) return false;
    if (length <= kChunk && in_left() >= kChunk && out_left() >= kChunk) {
      std::memcpy(out_, in_, kChunk);  // of a fixed size: much faster
    } else {
      std::memcpy(out_, in_, length);
    }
    in_ += length;
    out_ += length;
    return true;
  }

  bool Copy(unsigned char tag) {
    size_t length = (tag >> 2) + 1u, distance;
    if ((tag & 3) == 1) {
      length = (tag >> 2 & 7) + 4u;
      if (!Number(1, &distance)) return false;
      distance |= static_cast<size_t>(tag >> 5) << 8;
    } else if (!Number((tag & 3) == 2 ? 2 : 4, &distance)) {
      return false;
    }
    if (distance == 0 || distance > static_cast<size_t>(out_ - begin_) || length > out_left()) {
      return false;
    }
    const char* from = out_ - distance;
    if (out_left() < length + kChunk) {
      for (size_t i = 0; i < length; ++i) out_[i] = from[i];  // the two may overlap
    } else if (distance >= kChunk) {
      for (size_t i = 0; i < length; i += kChunk) std::memcpy(out_ + i, from + i, kChunk);
    } else {
      Repeat(from, distance, length);
    }
    out_ += length;
    return true;
  }

  // The `distance` bytes before out_, fewer than a chunk, again and again. Byte by byte each would
  // wait for the one before it. May write a chunk more than `length`.
  void Repeat(const char* from, size_t distance, size_t length) {
    char pattern[kChunk];
    for (size_t i = 0, k = 0; i < kChunk; ++i) {
      pattern[i] = from[k];
      if (++k == distance) k = 0;
    }
    size_t whole = kChunk;  // the largest multiple of the distance that fits
    while (whole % distance != 0) --whole;
    for (size_t i = 0; i < length; i += whole) std::memcpy(out_ + i, pattern, kChunk);
  }

  static constexpr size_t kChunk = 16;

  const char *in_, *in_end_;
  char *begin_, *out_, *end_;
};

}  // namespace

bool Unsnap(std::string_view packed, ScratchBytes* buffer, std::string_view* unpacked) {
  uint64_t size = 0;
  size_t at = 0;
  for (bool more = true; more; ++at) {
    if (at == packed.size() || at == 5) return false;
    const auto byte = static_cast<unsigned char>(packed[at]);
    size |= uint64_t{byte & 0x7Fu} << 7 * at;
    more = (byte & 0x80) != 0;
  }
  packed.remove_prefix(at);
  if (size > packed.size() * kMostGrowth) return false;
  char* out = buffer->Reserve(static_cast<size_t>(size));
  *unpacked = {out, static_cast<size_t>(size)};
  return Unpacker(packed, out, static_cast<size_t>(size)).Run();
}

}  // namespace crema
