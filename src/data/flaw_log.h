// Warnings about images that can be used although something is wrong with them.
#pragma once

#include <mutex>
#include <set>
#include <string>

namespace crema {

// Says what is wrong with an image once, however often the image is decoded. Any thread may use it.
class FlawLog {
 public:
  // Does nothing if `flaw` is empty. `name()` says which image it is.
  template <class Name>
  void Add(const std::string& flaw, const Name& name) {
    if (!flaw.empty()) Warn(name(), flaw);
  }

  // How many images have a flaw.
  size_t count() const;

 private:
  void Warn(const std::string& name, const std::string& flaw);

  mutable std::mutex mutex_;
  std::set<std::string> names_;
};

}  // namespace crema
