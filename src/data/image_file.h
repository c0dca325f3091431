// Image files, decoded and resized.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/datum.h"
#include "data/flaw_log.h"

namespace crema {

// Used by one thread at a time.
class ImageFileDecoder {
 public:
  // kColor or kGray. Images are resized bilinearly to height x width if those are above 0.
  ImageFileDecoder(ColorMode color, int height, int width, std::shared_ptr<FlawLog> flaws);
  ~ImageFileDecoder();
  ImageFileDecoder(ImageFileDecoder&&) noexcept;

  // The image is valid until the next call. Throws Error if the file cannot be read; `where`
  // says what asked for it, such as "list.txt:12".
  const Image& Read(const std::string& path, const std::string& where);

  // The same for the bytes of a file. `failure` begins the sentence of an Error: "cannot decode the
  // image a.png". *flaw tells what is wrong with a file that could be decoded; mostly "".
  const Image& Decode(std::string_view file, const std::string& failure, std::string* flaw);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace crema
