// Solver states (.solverstate) and their histories. Those in HDF5 are recognised here, and read
// in hdf5_weights_fuzz.
#include "crema.pb.h"
#include "fuzz/fuzz.h"
#include "schema/weights_io.h"
#include "train/snapshot_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  crema::ExpectResultOrError(
      [](const std::string& path) {
        crema::proto::SolverState state;
        crema::ReadSolverState(path, &state);
        for (const auto& history : state.history()) crema::FromProto(history, path);
      },
      bytes, size);
  return 0;
}
