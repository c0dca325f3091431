// Weights and solver states in HDF5.
#include <hdf5.h>

#include <cstdlib>

#include "crema.pb.h"
#include "fuzz/fuzz.h"
#include "schema/hdf5_weights.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  crema::ExpectResultOrError([](const std::string& path) { crema::ReadHdf5Weights(path); }, bytes,
                             size);
  crema::ExpectResultOrError(
      [](const std::string& path) {
        crema::proto::SolverState state;
        crema::ReadHdf5State(path, &state);
      },
      bytes, size);
  // A handle that stays open is a leak that the sanitizer does not see.
  if (H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) != 0) std::abort();
  return 0;
}
