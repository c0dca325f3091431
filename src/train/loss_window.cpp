#include "train/loss_window.h"

#include <algorithm>

#include "crema.pb.h"
#include "math/vector_ops.h"

namespace crema {

LossWindow::LossWindow(const Context& ctx, DType dtype, int size)
    : ctx_(ctx), dtype_(dtype), size_(size) {
  constexpr int kFirstLosses = 1024;
  ring_ = Tensor(ctx.shared_device(), dtype, Shape{std::min(size, kFirstLosses) + 1});
}

void LossWindow::Begin() {
  GrowIfFull();
  VectorOpsFor(ctx_.kind()).Fill(ctx_, pending(), 0);
}

void LossWindow::Add(const Tensor& loss, double weight) {
  VectorOpsFor(ctx_.kind()).AddScaledSum(ctx_, loss, weight, pending());
}

Tensor LossWindow::pending() const {
  const int64_t slot = accepted_ % ring_.count();
  return Tensor(ring_.buffer(), static_cast<size_t>(slot) * SizeOf(dtype_), dtype_, Shape{1});
}

// Up to one slot more than the window has losses, so that the pending loss takes the place of none
// that still counts.
void LossWindow::GrowIfFull() {
  const int64_t most = int64_t{size_} + 1, count = ring_.count();
  if (accepted_ < count || count >= most) return;
  std::vector<double> ring = ring_.ToHost<double>();
  ring.resize(static_cast<size_t>(std::min(most, 2 * count)));
  Allocate(ring);
}

void LossWindow::Allocate(const std::vector<double>& ring) {
  ring_ = Tensor(ctx_.shared_device(), dtype_, Shape{static_cast<int64_t>(ring.size())});
  ring_.FromHost(ring);
}

std::vector<double> LossWindow::Recent(int64_t accepted) const {
  const std::vector<double> ring = ring_.ToHost<double>();
  const auto size = static_cast<int64_t>(ring.size());
  std::vector<double> recent;
  for (int64_t i = std::max<int64_t>(0, accepted - size_); i < accepted; ++i) {
    recent.push_back(ring[i % size]);
  }
  return recent;
}

double LossWindow::MeanOf(int64_t accepted) const {
  const std::vector<double> recent = Recent(accepted);
  double sum = 0;
  for (double loss : recent) sum += loss;
  return sum / static_cast<double>(recent.size());
}

void LossWindow::Save(proto::SolverProgress* progress) const {
  for (double loss : Recent(accepted_)) progress->add_recent_losses(loss);
}

void LossWindow::Restore(const proto::SolverProgress& progress) {
  const int saved = progress.recent_losses_size();
  accepted_ = std::min(size_, saved);
  std::vector<double> ring(progress.recent_losses().end() - accepted_,
                           progress.recent_losses().end());
  ring.resize(static_cast<size_t>(std::max(ring_.count(), accepted_ + 1)));
  Allocate(ring);
}

}  // namespace crema
