// In which iterations a solver tests: test_interval, test_offset and test_initialization.
#pragma once

#include <cstdint>

namespace crema {

namespace proto {
class SolverParameter;
}

class TestSchedule {
 public:
  explicit TestSchedule(const proto::SolverParameter& solver);

  // Whether the interval meets this iteration, from 0.
  bool IsTestIteration(int64_t iteration) const;
  // Whether to test before this iteration: the untrained net only if the solver says so.
  bool ShouldTest(int64_t iteration) const;
  // How many times each net was tested before a run came to this iteration.
  int64_t TestsBefore(int64_t iteration) const;

 private:
  int64_t interval_, offset_;
  bool tests_at_start_;
};

}  // namespace crema
