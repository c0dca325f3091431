#include "base/machine_load.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace crema {

bool IsOverloaded(const std::string& loadavg, long processors) {
  long runnable = 0;
  char slash = 0;
  const int found = std::sscanf(loadavg.c_str(), "%*s %*s %*s %ld%c", &runnable, &slash);
  if (found != 2 || slash != '/') return false;
  return runnable - 1 >= 2 * processors;
}

bool MachineIsOverloaded() {
  const int file = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[128];
  const ssize_t size = read(file, text, sizeof(text));
  close(file);
  if (size <= 0) return false;
  return IsOverloaded(std::string(text, static_cast<size_t>(size)), sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace crema
