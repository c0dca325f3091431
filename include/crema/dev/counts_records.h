// For layers that read a source of known size.
#pragma once

#include <cstdint>

namespace crema {

// A second base of such a layer, so that one pass over the source can be planned.
class CountsRecords {
 public:
  virtual ~CountsRecords() = default;  // the layer is deleted as a Layer
  // How many records the source has; known after Layer::Plan. May read the whole source
  // once. Throws Error where it is damaged.
  virtual uint64_t records() const = 0;
};

}  // namespace crema
