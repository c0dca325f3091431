#include "data/image_codecs.h"

#include <dlfcn.h>

#include <filesystem>

#include "crema/error.h"

namespace crema {
namespace {

constexpr char kFile[] = "libcrema_image_codecs.so";

// Where this code is: in libcrema.so, in the one for newer processors two folders below it, or in
// a program.
std::vector<std::string> Places() {
  std::vector<std::string> places;
  Dl_info self{};
  if (dladdr(reinterpret_cast<const void*>(&LoadImageCodecs), &self) != 0) {
    const auto folder = std::filesystem::path(self.dli_fname).parent_path();
    for (const char* way : {".", "../..", "../lib"}) places.push_back(folder / way / kFile);
  }
  places.push_back(kFile);  // where the system looks
  return places;
}

const ImageCodecs& Load() {
  std::string why;
  for (const std::string& place : Places()) {
    const bool is_file = place != kFile;
    if (is_file && !std::filesystem::exists(place)) continue;
    if (void* library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      void* const codecs = dlsym(library, "crema_image_codecs");
      if (codecs != nullptr) return *static_cast<const ImageCodecs*>(codecs);
    }
    const char* const error = dlerror();
    why = error != nullptr ? error : "it does not belong to crema";
  }
  Fail("image files cannot be read or written because ", kFile, " could not be loaded (", why,
       "); it must be in the same folder as libcrema.so");
}

}  // namespace

const ImageCodecs& LoadImageCodecs() {
  static const ImageCodecs& codecs = Load();
  return codecs;
}

}  // namespace crema
