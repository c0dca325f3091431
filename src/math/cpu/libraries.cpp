// What the sums run with: named in `crema version`.
#include "base/libraries.h"

#include <cblas.h>

#include "crema/error.h"

namespace crema {
namespace {

const LibraryRegistration kOpenBlas("OpenBLAS", [] {
  return Concat(openblas_get_config(), ", for this processor: ", openblas_get_corename());
});
// The loader has taken the build that fits the processor.
const LibraryRegistration kBuild("libcrema", [] { return std::string(CREMA_INSTRUCTION_SET); });

}  // namespace
}  // namespace crema
