// How much else the machine does at this moment.
#pragma once

#include <string>

namespace crema {

// Whether other programs want at least twice as many processors as there are: `loadavg` is the text
// of /proc/loadavg, whose fourth field begins with the number of threads that run or could run,
// the reader's own included. False if the text has another form.
bool IsOverloaded(const std::string& loadavg, long processors);

// The same for this machine, now. May be called before any constructor has run.
bool MachineIsOverloaded();

}  // namespace crema
