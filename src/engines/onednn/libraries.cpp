// The version of oneDNN, and the instructions that it uses here: named in `crema version`.
#include "base/libraries.h"

#include <oneapi/dnnl/dnnl.h>

#include "crema/error.h"

namespace crema {
namespace {

std::string Instructions() {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41: return "SSE4.1";
    case dnnl_cpu_isa_avx: return "AVX";
    case dnnl_cpu_isa_avx2: return "AVX2";
    case dnnl_cpu_isa_avx512_core: return "AVX-512";
    case dnnl_cpu_isa_avx512_core_vnni: return "AVX-512 with VNNI";
    case dnnl_cpu_isa_avx512_core_bf16: return "AVX-512 with VNNI and BF16";
    case dnnl_cpu_isa_avx512_core_amx: return "AVX-512 with AMX";
    default: return "unknown instructions";
  }
}

const LibraryRegistration kOneDnn("oneDNN", [] {
  const dnnl_version_t* const v = dnnl_version();
  return Concat(v->major, ".", v->minor, ".", v->patch, ", uses ", Instructions());
});

}  // namespace
}  // namespace crema
