// Independent tasks of the host, on its threads.
#pragma once

#include <functional>

namespace crema {

// Calls f(0) .. f(tasks - 1), each once, and returns when all are done. f must not throw.
void HostTasks(int tasks, const std::function<void(int)>& f);

}  // namespace crema
