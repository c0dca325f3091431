// Records made from image files.
#pragma once

#include <string>

#include "data/convert.h"
#include "data/datum.h"

namespace crema {

struct ImageRecord {
  std::string value;  // a Datum
  ImageSize size;
  std::string flaw;  // what is wrong with the image although it could be read; mostly empty
};

// Throws Error if the file cannot be read or stored as the options ask.
ImageRecord MakeImageRecord(const std::string& path, int label, const ConvertImageOptions& options);

// "jpg" of "a/b.JPEG"; of a kind with two names the short one.
std::string ImageType(const std::string& path);

}  // namespace crema
