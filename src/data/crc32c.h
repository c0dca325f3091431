// The checksum of LevelDB's files: CRC-32 with Castagnoli's polynomial.
#pragma once

#include <cstdint>
#include <string_view>

namespace crema {

// Of `crc`'s bytes followed by `bytes`; of `bytes` alone where `crc` is 0.
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

}  // namespace crema
