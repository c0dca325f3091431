// Nets and solvers as text, with their upgrades from the old formats.
#include "crema.pb.h"
#include "crema/error.h"
#include "fuzz/fuzz.h"
#include "schema/upgrade.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  crema::ExpectResultOrError(
      [](const std::string& path) {
        crema::proto::NetParameter net;
        crema::ReadNetFile(path, &net);
      },
      bytes, size);
  crema::ExpectResultOrError(
      [](const std::string& path) {
        crema::proto::SolverParameter solver;
        crema::ReadSolverFile(path, &solver);
      },
      bytes, size);
  return 0;
}
