#include "train/training_parts.h"

#include <glog/logging.h>

#include <algorithm>
#include <random>
#include <utility>

#include "crema.pb.h"
#include "crema/error.h"
#include "device/memory_size.h"
#include "solvers/update_rule.h"
#include "train/memory_check.h"

namespace crema {
namespace {

// What would let the weights of several ranks become different.
void CheckRank(const proto::SolverParameter& solver, const TrainOptions& options) {
  const Rank& rank = options.rank;
  if (rank.index < 0 || rank.index >= rank.count) {
    Fail("there is no rank ", rank.index, " of ", rank.count, "; ranks are counted from 0");
  }
  if (rank.count == 1) return;
  if (options.combiner == nullptr) {
    Fail("the training is one of ", rank.count, " ranks, but nothing combines their gradients; ",
         "give TrainOptions a combiner");
  }
  if (solver.random_seed() < 0) {
    Fail("the solver has no random_seed, but ", rank.count, " ranks must begin with the same ",
         "weights; set random_seed to a number");
  }
}

uint64_t ChooseSeed(const proto::SolverParameter& solver, const proto::SolverState* state) {
  const bool given = solver.random_seed() >= 0;
  if (state != nullptr && state->progress().has_random_seed()) {
    const uint64_t seed = state->progress().random_seed();
    if (given && seed != static_cast<uint64_t>(solver.random_seed())) {
      LOG(WARNING) << Concat("random_seed is ", solver.random_seed(),
                             ", but the resumed run started with ", seed, ", which stays in use");
    }
    return seed;
  }
  if (given) return static_cast<uint64_t>(solver.random_seed());
  const uint64_t seed = std::random_device{}();
  LOG(INFO) << Concat("Random seed: ", seed,
                      " (chosen at random; set random_seed to repeat this run)");
  return seed;
}

// Throws Error if the training does not fit into memory. Returns how much of it the train net may
// take, in bytes; 0: as much as it likes.
size_t CheckTrainingFits(const proto::SolverParameter& solver, const TrainOptions& options,
                         const SolverNets& texts, int histories) {
  TrainingPlan plan;
  plan.train = texts.train.get();
  plan.train_title = texts.train_title;
  plan.train_file = texts.train_file;
  for (const TestNetText& test : texts.tests) {
    plan.tests.push_back(test.config.get());
    plan.test_titles.push_back(test.title);
    plan.test_files.push_back(test.file);
  }
  plan.dtype = options.dtype;
  plan.device = options.device->kind();
  plan.threads = options.threads;
  const bool keeps_gradients = solver.snapshot_diff() && options.interrupt;
  plan.histories = histories + (solver.ema_decay() > 0) + keeps_gradients;
  plan.losses = std::min(solver.average_loss(), solver.max_iter());
  plan.fuse = options.fuse && !solver.debug_info();
  plan.keep_blobs = solver.debug_info();
  if (solver.memory_limit() > 0) {
    plan.train_limit = LimitOfTrainNet(plan, size_t{solver.memory_limit()} << 20);
  }
  CheckMemory(plan,
              options.device_memory > 0 ? options.device_memory : MemoryOfDevice(*options.device));
  return plan.train_limit;
}

NetOptions OptionsOfTrainNet(const proto::SolverParameter& solver, const TrainOptions& options,
                             uint64_t seed, size_t memory_limit) {
  NetOptions net;
  net.dtype = options.dtype;
  net.threads = options.threads;
  net.fuse = options.fuse && !solver.debug_info();  // which shows every layer
  net.keep_blobs = solver.debug_info();
  net.seed = seed;
  net.rank = options.rank;
  net.memory_limit = memory_limit;
  return net;
}

// A net that learns nothing may be meant: to look at it, or to collect the means of BatchNorm.
void CheckLearns(const Net& net, const SolverNets& texts, const proto::SolverParameter& solver) {
  const Tensor& gradients = net.flat_gradients();
  if (!gradients.shape().dims().empty() && gradients.count() > 0) return;
  const Graph& graph = net.graph();
  const bool has_loss = std::any_of(graph.blobs.begin(), graph.blobs.end(),
                                    [](const BlobNode& blob) { return blob.loss_weight != 0; });
  const bool could_learn = std::any_of(graph.params.begin(), graph.params.end(),
                                       [](const ParamNode& param) { return param.lr_mult != 0; });
  const bool is_to_learn = solver.base_lr() > 0 && !(solver.has_max_iter() && !solver.max_iter());
  if (!has_loss && could_learn && is_to_learn) {
    throw Error(texts.train_title +
                    ": has no loss, so its parameters cannot learn; add a loss layer, such as "
                    "SoftmaxWithLoss, or a loss_weight, or set base_lr: 0 to run it all the same",
                InFile(texts.train_file).place());
  }
  LOG(WARNING) << "No parameter of the training net contributes to a loss, so nothing is learned; "
               << "add a loss layer, such as SoftmaxWithLoss, or a loss_weight";
}

std::vector<std::vector<TestOutput>> OutputsOfTests(const NetSet& nets,
                                                    const proto::SolverParameter& solver) {
  std::vector<std::vector<TestOutput>> outputs;
  for (int i = 0; i < nets.tests(); ++i) outputs.push_back(TestOutputsOf(nets.test(i), solver));
  return outputs;
}

}  // namespace

TrainingParts::TrainingParts(const proto::SolverParameter& given, const TrainOptions& train_options,
                             std::unique_ptr<UpdateRule> rule, const proto::SolverState* state)
    : solver(std::make_unique<proto::SolverParameter>(given)),
      options(train_options),
      seed(ChooseSeed(given, state)),
      test_schedule(given) {
  CheckRank(*solver, options);
  const SolverNets texts = ReadSolverNets(*solver, options.engine);
  const size_t limit = CheckTrainingFits(*solver, options, texts, rule->history_count());
  const NetOptions net_options = OptionsOfTrainNet(*solver, options, seed, limit);
  nets = std::make_unique<NetSet>(texts, options.device, net_options, options.verbose);
  CheckLearns(nets->train(), texts, *solver);
  metrics = std::make_unique<MetricWatch>(*solver, OutputsOfTests(*nets, *solver));
  // Tests differ, too: what layers keep themselves (statistics) is each rank's own.
  if (options.rank.count > 1 && solver->lr_policy() == "plateau") {
    Fail("lr_policy is plateau, but each of the ", options.rank.count,
         " ranks has losses and tests of its own, so that their rates would differ; use another "
         "policy");
  }
  if (state == nullptr) {
    for (const std::string& list : solver->weights()) nets->LoadWeights(list);
  }
  const Context& ctx = nets->train().context();
  const FlatParams params = FlatParamsOf(nets->train());
  optimizer = std::make_unique<Optimizer>(*solver, std::move(rule), params, ctx);
  schedule = std::make_unique<RateSchedule>(*solver, metrics->plateau_less_is_better());
  average = std::make_unique<AveragedWeights>(solver->ema_decay(), params, ctx);
  losses = std::make_unique<LossWindow>(ctx, options.dtype, solver->average_loss());
  guard = std::make_unique<NonFiniteGuard>(ctx, solver->stop_at_non_finite());
  passes = std::make_unique<IterationPasses>(*solver, nets.get(), losses.get(), guard.get(),
                                             options.interrupt, options.combiner.get());
  tester = std::make_unique<Tester>(*solver, nets.get(), average.get(), guard.get(), &reporter,
                                    options.interrupt);
}

TrainingParts::~TrainingParts() = default;

double TrainingParts::RateNow() {
  return schedule->RateOf(iteration, [this] {
    return metrics->plateau_follows_tests() ? metrics->plateau_value()
                                            : std::optional<double>(losses->Mean());
  });
}

}  // namespace crema
