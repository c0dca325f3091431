// Numbers at places of a file that is in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace crema {

// Beyond the end all bytes are 0.
class ByteReader {
 public:
  explicit ByteReader(std::string_view file) : file_(file) {}

  double size() const { return static_cast<double>(file_.size()); }
  uint32_t Byte(size_t at) const {
    return at < file_.size() ? static_cast<unsigned char>(file_[at]) : 0;
  }
  uint32_t Big16(size_t at) const { return Byte(at) << 8 | Byte(at + 1); }
  uint32_t Big32(size_t at) const { return Big16(at) << 16 | Big16(at + 2); }
  uint32_t Little16(size_t at) const { return Byte(at) | Byte(at + 1) << 8; }
  uint32_t Little32(size_t at) const { return Little16(at) | Little16(at + 2) << 16; }
  bool Has(size_t at, std::string_view text) const {
    return at <= file_.size() && file_.substr(at, text.size()) == text;
  }
  std::string_view file() const { return file_; }

 private:
  std::string_view file_;
};

}  // namespace crema
