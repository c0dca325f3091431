// For layers that read a source of known size.
#pragma once

#include <cstdint>

namespace crema {

// A second base of such a layer, so that one pass over the source can be planned.
class CountsRecords {
 public:
  virtual ~CountsRecords() = default;
  // How many records the source has; known after Layer::Plan.
  virtual uint64_t records() const = 0;
};

}  // namespace crema
