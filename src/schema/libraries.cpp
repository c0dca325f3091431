// What reads and writes nets and weights: named in `crema version`.
#include "base/libraries.h"

#include <google/protobuf/stubs/common.h>
#include <hdf5.h>

#include "crema/error.h"

namespace crema {
namespace {

const LibraryRegistration kProtobuf("protobuf", [] {
  return google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
});
const LibraryRegistration kHdf5("HDF5", [] {
  unsigned major = 0, minor = 0, patch = 0;
  H5get_libversion(&major, &minor, &patch);
  return Concat(major, ".", minor, ".", patch);
});

}  // namespace
}  // namespace crema
