// The state of the learning rate policy "plateau": the rate falls when a metric stops getting
// better. As in SSD's Caffe, also in the rounding to float: the best value so far and each fall
// are events, and when plateau_winsize[steps] iterations have passed since the last one, the rate
// falls again, until the list is used up.
#pragma once

#include <cstdint>
#include <vector>

namespace crema {

namespace proto {
class SolverParameter;
class SolverState;
}  // namespace proto

class Plateau {
 public:
  // Takes plateau_winsize, which has been checked.
  explicit Plateau(const proto::SolverParameter& solver);

  // Before the update of `iteration`: the metric as it is then, and whether less of it is better.
  // Returns whether the rate falls.
  bool Observe(double metric, bool less_is_better, int64_t iteration);

  // How often the rate has fallen.
  int steps() const { return steps_; }
  // The best value so far; 0 if there was none that is a number.
  float best() const { return best_; }

  // All that Observe goes by, for a resume.
  void Save(proto::SolverState* state) const;
  // What Save wrote, or a state of SSD's Caffe.
  void Restore(const proto::SolverState& state);

 private:
  std::vector<int> windows_;
  int steps_ = 0;
  bool seen_ = false;
  float best_ = 0;
  int64_t last_event_ = 0;
};

}  // namespace crema
