// Unpacks Snappy's format, in which LevelDB compresses blocks.
#pragma once

#include <string_view>

#include "data/scratch_bytes.h"

namespace crema {

// Unpacks `packed` into `buffer`, which `unpacked` then shows. Returns false where `packed` is
// damaged. Never takes more memory than the size of `packed` can stand for.
bool Unsnap(std::string_view packed, ScratchBytes* buffer, std::string_view* unpacked);

}  // namespace crema
