#include "schema/file_kind.h"

#include <cstddef>

namespace crema {
namespace {

struct Signature {
  const char* bytes;
  size_t size;
  const char* kind;
};

#define CREMA_SIGNATURE(bytes, kind) \
  { bytes, sizeof(bytes) - 1, kind }

const Signature kHdf5 = CREMA_SIGNATURE("\x89HDF\r\n\x1a\n", "an HDF5 file");

const Signature kSignatures[] = {
    kHdf5,
    CREMA_SIGNATURE("version https://git-lfs",
                    "a Git LFS pointer (run \"git lfs pull\" to get the file itself)"),
    CREMA_SIGNATURE("<!DOCTYPE", "a web page (perhaps a download that failed)"),
    CREMA_SIGNATURE("<!doctype", "a web page (perhaps a download that failed)"),
    CREMA_SIGNATURE("<html", "a web page (perhaps a download that failed)"),
    CREMA_SIGNATURE("<HTML", "a web page (perhaps a download that failed)"),
    CREMA_SIGNATURE("<?xml", "an XML file"),
    CREMA_SIGNATURE("PK\x03\x04", "a zip archive (unpack it first)"),
    CREMA_SIGNATURE("\x1f\x8b", "a gzip archive (unpack it first)"),
    CREMA_SIGNATURE("BZh", "a bzip2 archive (unpack it first)"),
    CREMA_SIGNATURE("\xff\xd8\xff", "a JPEG image"),
    CREMA_SIGNATURE("\x89PNG\r\n\x1a\n", "a PNG image"),
    CREMA_SIGNATURE("GIF8", "a GIF image"),
    CREMA_SIGNATURE("II*\0", "a TIFF image"),
    CREMA_SIGNATURE("MM\0*", "a TIFF image"),
    CREMA_SIGNATURE("7z\xbc\xaf", "a 7z archive (unpack it first)"),
};

#undef CREMA_SIGNATURE

bool BeginsWith(const std::string& bytes, const Signature& signature) {
  return bytes.compare(0, signature.size, signature.bytes, signature.size) == 0;
}

}  // namespace

std::string KindOfBytes(const std::string& bytes) {
  for (const Signature& signature : kSignatures) {
    if (BeginsWith(bytes, signature)) return signature.kind;
  }
  return "";
}

bool IsHdf5(const std::string& bytes) { return BeginsWith(bytes, kHdf5); }

}  // namespace crema
