#include "train/iteration_passes.h"

#include "crema.pb.h"
#include "train/find_non_finite.h"
#include "train/pass_state.h"

namespace crema {

IterationPasses::IterationPasses(const proto::SolverParameter& solver, NetSet* nets,
                                 LossWindow* losses, NonFiniteGuard* guard,
                                 const Interrupt& interrupt, GradientCombiner* combiner)
    : solver_(solver), nets_(*nets), losses_(*losses), guard_(*guard) {
  if (combiner != nullptr) {
    combines_.emplace(&nets->train(), combiner);
  } else if (CanTakeBack(nets->train())) {
    interrupt_ = interrupt;
  }
}

void IterationPasses::Run(int64_t iteration, bool looks) {
  Net& net = nets_.train();
  losses_.Begin();
  net.ClearGradients();
  passes_ = static_cast<uint64_t>(solver_.iter_size());
  first_step_ = static_cast<uint64_t>(iteration) * passes_;
  for (uint64_t pass = 0; pass < passes_; ++pass) {
    RunForward(first_step_ + pass, interrupt_, &net);
    if (Looks(looks)) net.CheckAfterForward();
    losses_.Add(net.loss(), 1.0 / solver_.iter_size());
    if (combines_.has_value() && pass + 1 == passes_) {
      net.Backward(&*combines_);
    } else {
      RunBackward(interrupt_, &net);
    }
  }
}

void IterationPasses::Accept(int64_t iteration, bool looks) {
  guard_.Note(losses_.pending(), iteration);
  const Tensor& gradients = nets_.train().flat_gradients();
  if (!gradients.empty()) guard_.Note(gradients, iteration);
  losses_.Accept();
  if (Looks(looks)) CheckFinite();
}

// On a GPU a look waits for the device, so it is taken only if somebody waits anyhow.
bool IterationPasses::Looks(bool looks) const {
  return looks || nets_.train().context().kind() == DeviceKind::kCpu;
}

void IterationPasses::RunForwardOnly(int64_t iteration) {
  Net& net = nets_.train();
  passes_ = 1;
  first_step_ = static_cast<uint64_t>(iteration * solver_.iter_size());
  losses_.Begin();
  RunForward(first_step_, interrupt_, &net);
  net.CheckAfterForward();
  losses_.Add(net.loss(), 1);
}

void IterationPasses::CheckLast(int64_t iteration) {
  guard_.Note(losses_.pending(), iteration);
  CheckFinite();
}

void IterationPasses::CheckHealth() {
  nets_.train().CheckAfterForward();
  CheckFinite();
}

void IterationPasses::CheckFinite() {
  guard_.Check([this] { return Explain(); });
}

std::string IterationPasses::Explain() const {
  Net& net = nets_.train();
  const PassesMade passes{net, *nets_.texts().train, nets_.train_options(), first_step_, passes_,
                          true};
  std::string found = FindNonFinite(passes, net.flat_params());
  if (found.empty()) found = FindNonFiniteGradient(net);
  return found.empty() ? "the loss" : found;
}

}  // namespace crema
