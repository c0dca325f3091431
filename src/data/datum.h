// The record format of Caffe's databases: a serialised Datum message.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "data/flaw_log.h"
#include "data/record_stream.h"

namespace crema {

// channels x height x width.
struct ImageSize {
  int channels = 0, height = 0, width = 0;

  // How many values an image has.
  int64_t count() const { return int64_t{channels} * height * width; }
  bool operator==(const ImageSize& other) const {
    return channels == other.channels && height == other.height && width == other.width;
  }
  bool operator!=(const ImageSize& other) const { return !(*this == other); }
  std::string ToString() const;  // "3 x 32 x 32"
};

// The values of one record, in one of `bytes` and `floats`; a view of the decoder's memory.
struct Image {
  ImageSize size;
  const uint8_t* bytes = nullptr;
  const float* floats = nullptr;
  // bytes: height x width x channels, as images are decoded, instead of channels x height x width.
  bool interleaved = false;
  int label = 0;
};

// To what the compressed images of a database are decoded. Colours are blue, green, red.
enum class ColorMode { kAsStored, kColor, kGray };

// "LMDB 'train_lmdb': record 12 (key '00000012')", for errors.
std::string NameRecord(const std::string& source_title, const Record& record);

// Reads records; used by one thread at a time.
class DatumDecoder {
 public:
  // `source_title` names the database in errors.
  DatumDecoder(ColorMode color, std::string source_title,
               std::shared_ptr<FlawLog> flaws = std::make_shared<FlawLog>());
  ~DatumDecoder();
  // The image that was decoded last moves with it.
  DatumDecoder(DatumDecoder&&) noexcept;

  // The image is valid until the next call. Throws Error if the record is not a Datum, or its
  // sizes do not fit together, or it cannot be decoded.
  const Image& Decode(const Record& record);

  // Whether the last record was a compressed image.
  bool was_encoded() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace crema
