// What the fuzz targets share. Each is a program of libFuzzer's: it gives a reader bytes, and any
// crash, leak, undefined behaviour or allocation beyond the limit is a mistake of the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace crema {

// A file with the given bytes, in memory where that can be, for readers that want a path.
class TemporaryFile {
 public:
  TemporaryFile(const uint8_t* bytes, size_t size);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What a reader answers to a bad file. Calls `read`, and swallows the Error that it may throw;
// every other exception ends the program.
void ExpectResultOrError(void (*read)(const std::string& path), const uint8_t* bytes, size_t size);

}  // namespace crema
