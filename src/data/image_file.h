// Image files, decoded and resized.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
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

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace crema
