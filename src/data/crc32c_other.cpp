#include "data/crc32c.h"

namespace crema {

size_t Crc32cByInstructions(std::string_view, uint32_t*) { return 0; }

}  // namespace crema
