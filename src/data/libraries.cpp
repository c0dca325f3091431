// What reads data: named in `crema version`.
#include "base/libraries.h"

#include <leveldb/db.h>
#include <lmdb.h>
#include <zlib.h>

#include <opencv2/core/utility.hpp>

#include "crema/error.h"

namespace crema {
namespace {

const LibraryRegistration kOpenCv("OpenCV", [] { return cv::getVersionString(); });
const LibraryRegistration kLmdb("LMDB", [] {
  int major = 0, minor = 0, patch = 0;
  mdb_version(&major, &minor, &patch);
  return Concat(major, ".", minor, ".", patch);
});
const LibraryRegistration kLevelDb("LevelDB", [] {
  return Concat(leveldb::kMajorVersion, ".", leveldb::kMinorVersion);
});
const LibraryRegistration kZlib("zlib", [] { return std::string(zlibVersion()); });

}  // namespace
}  // namespace crema
