#include "crema/math/host_tasks.h"

namespace crema {

void HostTasks(int tasks, const std::function<void(int)>& f) {
#pragma omp parallel for schedule(dynamic) if (tasks > 1)
  for (int task = 0; task < tasks; ++task) f(task);
}

}  // namespace crema
