#include "blas_threads.h"

#include <cblas.h>

#include <mutex>

namespace crema {
namespace {

bool HasOwnThreads() { return openblas_get_parallel() == OPENBLAS_THREAD; }
bool UsesOpenMp() { return openblas_get_parallel() == OPENBLAS_OPENMP; }

struct Users {
  std::mutex mutex;
  int count = 0;
  int threads_before = 1;
};

Users& TheUsers() {
  static Users users;
  return users;
}

}  // namespace

SingleThreadedBlas::SingleThreadedBlas() {
  if (!HasOwnThreads()) return;
  Users& users = TheUsers();
  const std::lock_guard<std::mutex> lock(users.mutex);
  if (users.count++ > 0) return;
  users.threads_before = openblas_get_num_threads();
  if (users.threads_before != 1) openblas_set_num_threads(1);
}

SingleThreadedBlas::~SingleThreadedBlas() {
  if (!HasOwnThreads()) return;
  Users& users = TheUsers();
  const std::lock_guard<std::mutex> lock(users.mutex);
  if (--users.count > 0 || users.threads_before == 1) return;
  if (openblas_get_num_threads() == 1) openblas_set_num_threads(users.threads_before);
}

OneThreadForOpenMpBlas::OneThreadForOpenMpBlas() {
  if (UsesOpenMp()) one_.emplace(1);
}

}  // namespace crema
