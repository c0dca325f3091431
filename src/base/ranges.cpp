#include "base/ranges.h"

#include "crema/error.h"

namespace crema {

void CheckRange(const std::string& name, int64_t value, int64_t least, int64_t most,
                const std::string& advice) {
  if (value >= least && value <= most) return;
  Fail(name, " is ", value, ", but must be from ", least, " to ", most,
       advice.empty() ? "" : "; " + advice);
}

void CheckGiven(const std::string& name, bool given, int64_t value, int64_t least, int64_t most,
                const std::string& advice) {
  if (given) return CheckRange(name, value, least, most, advice);
  Fail(name, " is missing; it must be given, from ", least, " to ", most,
       advice.empty() ? "" : "; " + advice);
}

}  // namespace crema
