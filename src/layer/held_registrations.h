// Registrations that nobody is to see until all of them are known: those of a plug-in.
#pragma once

#include <memory>

namespace crema {

// While it lives, what its thread registers (RegisterLayer, RegisterEngine) is only noted down. One
// at a time on a thread.
class HeldRegistrations {
 public:
  HeldRegistrations();
  ~HeldRegistrations();
  HeldRegistrations(const HeldRegistrations&) = delete;
  HeldRegistrations& operator=(const HeldRegistrations&) = delete;

  // Whether nothing has been registered.
  bool empty() const;
  // Registers all of it at once; or nothing, and throws Error as RegisterLayer and RegisterEngine
  // do.
  void Publish();

 private:
  struct Additions;
  std::unique_ptr<Additions> additions_;
};

}  // namespace crema
