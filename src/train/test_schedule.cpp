#include "train/test_schedule.h"

#include "crema.pb.h"

namespace crema {

TestSchedule::TestSchedule(const proto::SolverParameter& solver)
    : interval_(solver.test_interval()),
      offset_(solver.test_offset()),
      tests_at_start_(solver.test_initialization()) {}

bool TestSchedule::IsTestIteration(int64_t iteration) const {
  return interval_ > 0 && (iteration - offset_) % interval_ == 0;
}

bool TestSchedule::ShouldTest(int64_t iteration) const {
  return IsTestIteration(iteration) && (iteration > 0 || tests_at_start_);
}

int64_t TestSchedule::TestsBefore(int64_t iteration) const {
  if (interval_ <= 0 || iteration == 0) return 0;
  const int64_t first = (offset_ % interval_ + interval_) % interval_;
  const int64_t tests = iteration > first ? (iteration - 1 - first) / interval_ + 1 : 0;
  return tests - (first == 0 && !tests_at_start_ ? 1 : 0);
}

}  // namespace crema
