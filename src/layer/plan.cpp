#include "crema/dev/plan.h"

namespace crema {

PlanInput PlanInput::Of(const std::vector<Shape>& bottoms, DType dtype) {
  PlanInput input;
  for (const Shape& shape : bottoms) input.bottoms.emplace_back(shape, dtype);
  input.dtype = dtype;
  return input;
}

std::vector<Shape> PlanInput::Shapes() const {
  std::vector<Shape> shapes;
  for (const TensorType& bottom : bottoms) shapes.push_back(bottom.shape);
  return shapes;
}

namespace {

// The same answers for as many as either list has.
bool WantTheSame(const std::vector<bool>& a, const std::vector<bool>& b) {
  for (size_t i = 0; i < a.size() || i < b.size(); ++i) {
    if ((i >= a.size() || a[i]) != (i >= b.size() || b[i])) return false;
  }
  return true;
}

}  // namespace

bool PlanInput::operator==(const PlanInput& other) const {
  const bool same = bottoms == other.bottoms && dtype == other.dtype && layout == other.layout &&
                    phase == other.phase && device == other.device && in_place == other.in_place &&
                    runs_backward == other.runs_backward;
  if (!same || !runs_backward) return same;
  return WantTheSame(propagate_down, other.propagate_down) &&
         WantTheSame(wants_gradient, other.wants_gradient);
}

}  // namespace crema
