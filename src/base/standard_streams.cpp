#include "base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

namespace crema {
namespace {

// The lowest free number, taken by something that cannot be written to. There may be no /dev.
int TakeLowest() {
  const int fd = open("/dev/null", O_RDONLY);
  return fd >= 0 ? fd : open("/", O_RDONLY | O_DIRECTORY);
}

}  // namespace

void OpenStandardStreams() {
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) fd = TakeLowest();
  if (fd > STDERR_FILENO) close(fd);
}

}  // namespace crema
