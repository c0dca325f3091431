// The checksum of LevelDB's files: CRC-32 with Castagnoli's polynomial.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace crema {

// Of `crc`'s bytes followed by `bytes`; of `bytes` alone where `crc` is 0.
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);
// The same on any processor.
uint32_t Crc32cByTables(std::string_view bytes, uint32_t crc = 0);
// As much of it, from the front of `bytes`, as the processor has instructions for. Returns how many
// bytes that were.
size_t Crc32cByInstructions(std::string_view bytes, uint32_t* crc);

}  // namespace crema
