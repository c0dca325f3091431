#include "data/flaw_log.h"

#include <glog/logging.h>

namespace crema {

size_t FlawLog::count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return names_.size();
}

void FlawLog::Warn(const std::string& name, const std::string& flaw) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (names_.insert(name).second) LOG(WARNING) << name << " " << flaw;
}

}  // namespace crema
