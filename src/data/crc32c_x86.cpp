#include <nmmintrin.h>

#include <cstring>

#include "data/crc32c.h"

namespace crema {
namespace {

__attribute__((target("sse4.2"))) size_t ByWords(std::string_view bytes, uint32_t* crc) {
  const size_t words = bytes.size() / sizeof(uint64_t);
  uint64_t sum = ~*crc;
  for (size_t i = 0; i < words; ++i) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i * sizeof word, sizeof word);
    sum = _mm_crc32_u64(sum, word);
  }
  *crc = ~static_cast<uint32_t>(sum);
  return words * sizeof(uint64_t);
}

}  // namespace

size_t Crc32cByInstructions(std::string_view bytes, uint32_t* crc) {
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  return has_instruction ? ByWords(bytes, crc) : 0;
}

}  // namespace crema
