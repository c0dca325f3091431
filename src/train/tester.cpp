#include "train/tester.h"

#include "crema.pb.h"
#include "train/find_non_finite.h"
#include "train/pass_state.h"
#include "train/test_totals.h"

namespace crema {

Tester::Tester(const proto::SolverParameter& solver, NetSet* nets, AveragedWeights* average,
               NonFiniteGuard* guard, const ProgressReporter* reporter, const Interrupt& interrupt)
    : solver_(solver),
      nets_(*nets),
      average_(*average),
      guard_(*guard),
      reporter_(*reporter),
      interrupt_(interrupt),
      begun_(static_cast<size_t>(nets->tests()), 0) {}

void Tester::SetTestsBegun(int64_t tests) { begun_.assign(begun_.size(), tests); }

std::optional<std::vector<double>> Tester::Test(int i, int64_t iteration,
                                                const std::function<bool()>& goes_on) {
  TestPoint point;
  point.iteration = iteration;
  point.net = nets_.texts().tests[i].number;
  reporter_.ForEach([&](TrainObserver& o) { o.OnTestStart(iteration, point.net); });
  {
    const AveragedWeights::InUse averaged(&average_);
    if (!RunBatches(i, goes_on, &point)) return std::nullopt;
  }
  reporter_.ForEach([&](TrainObserver& o) { o.OnTest(point); });
  std::vector<double> values;
  for (const OutputElement& output : point.outputs) values.push_back(output.value);
  return values;
}

// false: stopped on the way.
bool Tester::RunBatches(int i, const std::function<bool()>& goes_on, TestPoint* point) {
  Net& net = nets_.test(i);
  const int batches = nets_.texts().tests[i].batches;
  const int64_t first_step = begun_[i]++ * batches;
  TestTotals totals(solver_);
  double loss = 0;
  for (int batch = 0; batch < batches; ++batch) {
    if (!goes_on()) return false;
    const auto step = static_cast<uint64_t>(first_step + batch);
    if (!RunBatch(i, step)) return false;
    totals.Add(net);
    net.CheckAfterForward();
    CheckLoss(i, batch, step, point->iteration);
    if (solver_.test_compute_loss()) loss += net.loss().ToHost<double>()[0];
    reporter_.ForEach([&](TrainObserver& o) { o.OnTestBatch(batch + 1, batches); });
  }
  if (solver_.test_compute_loss()) point->loss = loss / batches;
  point->outputs = totals.Results();
  return true;
}

// false: interrupted.
bool Tester::RunBatch(int i, uint64_t step) {
  Net& net = nets_.test(i);
  try {
    RunForward(step, CanTakeBack(net) ? interrupt_ : Interrupt(), &net);
    return true;
  } catch (const PassInterrupted&) {
    return false;
  }
}

void Tester::CheckLoss(int i, int batch, uint64_t step, int64_t iteration) {
  Net& net = nets_.test(i);
  const TestNetText& text = nets_.texts().tests[i];
  guard_.CheckTestLoss(net.loss(), {iteration, text.number, batch}, [&] {
    const PassesMade pass{net, *text.config, nets_.test_options(), step, 1, false};
    return FindNonFinite(pass, nets_.train().flat_params());
  });
}

}  // namespace crema
