// Weights and solver states in HDF5.
#include <hdf5.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "crema.pb.h"
#include "fuzz/fuzz.h"
#include "schema/hdf5_weights.h"

namespace {

void ReadWeights(const std::string& path) { crema::ReadHdf5Weights(path); }

void ReadState(const std::string& path) {
  crema::proto::SolverState state;
  crema::ReadHdf5State(path, &state);
}

}  // namespace

// A file is tried in a child process first, which takes most of the time, so it is read as one of
// the two only.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  constexpr std::string_view kOfStates = "learned_net";
  const bool is_state =
      std::search(bytes, bytes + size, kOfStates.begin(), kOfStates.end()) != bytes + size;
  crema::ExpectResultOrError(is_state ? ReadState : ReadWeights, bytes, size);
  // A handle that stays open is a leak that the sanitizer does not see.
  if (H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) != 0) std::abort();
  return 0;
}
