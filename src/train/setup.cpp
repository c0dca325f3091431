// Everything that a Trainer does before its first iteration.
#include <glog/logging.h>

#include <algorithm>
#include <limits>
#include <random>
#include <sstream>

#include "base/counted.h"
#include "base/in_source.h"
#include "base/ranges.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/math/host_tasks.h"
#include "crema/math/vector_ops.h"
#include "crema/train/trainer.h"
#include "device/room.h"
#include "net/describe.h"
#include "schema/upgrade.h"
#include "solvers/learning_rate.h"
#include "solvers/local_rates.h"
#include "solvers/param_table.h"
#include "solvers/plateau.h"
#include "solvers/update_rule.h"
#include "train/detection.h"
#include "train/kept_snapshots.h"
#include "train/memory_check.h"
#include "train/pass_state.h"
#include "train/report.h"
#include "train/snapshot_files.h"

namespace crema {
namespace {

void MergeState(proto::Phase phase, const proto::NetState* solver_state, proto::NetParameter* net) {
  proto::NetState state;
  state.set_phase(phase);
  state.MergeFrom(net->state());
  if (solver_state != nullptr) state.MergeFrom(*solver_state);
  *net->mutable_state() = state;
}

void ReadNet(const std::string& path, proto::NetParameter* net) {
  for (const std::string& change : ReadNetFile(path, net)) LOG(INFO) << path << ": " << change;
}

// How errors name a net of the solver: "test.prototxt, test net #1, stage deploy". `file` is ""
// if the net stands in the solver.
std::string TitleOfNet(const std::string& file, const std::string& net,
                       const proto::NetParameter& config) {
  std::string title = file.empty() ? net : file + ", " + net;
  if (config.state().level() != 0) title += Concat(", level ", config.state().level());
  for (const std::string& stage : config.state().stage()) title += ", stage " + stage;
  return title;
}

std::string TitleOfTrainNet(const proto::SolverParameter& s, const proto::NetParameter& config) {
  return TitleOfNet(s.has_net() ? s.net() : s.train_net(), "training net", config);
}

// `source`: where the net comes from, as the log says it.
std::string TitleOfTestNet(const std::string& source, int number,
                           const proto::NetParameter& config) {
  const std::string file = " file: ";
  const size_t at = source.find(file);
  return TitleOfNet(at == std::string::npos ? "" : source.substr(at + file.size()),
                    Concat("test net #", number), config);
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

// The numbers with which a rule makes no sense.
void CheckUpdateNumbers(const proto::SolverParameter& s) {
  const auto check_share = [&](const char* field, double share) {
    if (share >= 0 && share < 1) return;
    Fail("solver: ", field, " is ", share, ", but must be at least 0 and less than 1");
  };
  const bool adam = s.type() == "Adam" || s.type() == "AdamW";
  const bool plain = s.type() == "AdaGrad" || s.type() == "RMSProp";
  if (plain && s.momentum() != 0) {
    Fail("solver: momentum is ", s.momentum(), ", but ", s.type(),
         " does not use momentum; remove it");
  }
  if (adam || s.type() == "AdaDelta" || s.type() == "SAG") check_share("momentum", s.momentum());
  if (s.type() == "RMSProp") check_share("rms_decay", s.rms_decay());
  if (adam) check_share("momentum2", s.momentum2());
  check_share("ema_decay", s.ema_decay());
}

// Fields of other Caffes that leave no choice here.
void CheckForkFields(const proto::SolverParameter& s) {
  if (s.solver_data_type() == proto::SolverParameter::DOUBLE) {
    Fail("solver: solver_data_type is DOUBLE, but only FLOAT is supported; remove it");
  }
  if (s.solver_data_type() == proto::SolverParameter::FLOAT16) {
    LOG(WARNING) << "solver_data_type: FLOAT16 is treated as FLOAT, which is more precise";
  }
  if (s.has_store_blobs_in_old_format() && !s.store_blobs_in_old_format()) {
    LOG(WARNING) << "store_blobs_in_old_format: false is treated as true: crema writes only the "
                 << "format that BVLC Caffe reads";
  }
  if (s.eval_type() != "classification" && s.eval_type() != "detection") {
    Fail("solver: eval_type is '", s.eval_type(), "'; use \"classification\" or \"detection\"");
  }
  ParseApVersion(s.ap_version());
}

}  // namespace

Trainer::Trainer(const proto::SolverParameter& solver, const TrainOptions& options)
    : solver_(std::make_unique<proto::SolverParameter>(solver)), options_(options) {
  if (options_.device == nullptr) options_.device = OpenDevice(DeviceKind::kCpu);
  options_.threads = ThreadsToUse(options_.threads);
  const PlansForThreads threads(options_.threads);
  CheckOptions();
  AddObserver(std::make_shared<LogObserver>(solver_->display()));
  rule_ = CreateUpdateRule(solver_->type(), options_.device->kind());
  proto::SolverState state;
  const bool resume = !options_.resume_from.empty();
  if (resume) ReadSolverState(options_.resume_from, &state);
  CheckSnapshotFolder(!resume || state.iter() < solver_->max_iter());
  seed_ = ChooseSeed(*solver_, resume ? &state : nullptr);
  ReadTrainNet();
  ReadTestNets();
  CheckRoom();
  BuildTrainNet();
  BuildTestNets();
  FindBestOutput();
  LoadWeights();
  AllocateHistory();
  MakeParamTable();
  MakeSchedule();
  MakeAverage();
  kept_ = std::make_unique<KeptSnapshots>(solver_->snapshot_prefix(), solver_->snapshot_keep());
  constexpr int kFirstLosses = 1024;  // the window grows with them
  const int losses = std::min(solver_->average_loss(), kFirstLosses);
  loss_window_ = Tensor(options_.device, options_.dtype, Shape{losses + 1});
  non_finite_ = Tensor(options_.device, DType::kFloat64, Shape{1});
  non_finite_.FromHost(std::vector<double>{-1});
  gradient_factor_ = Tensor(options_.device, options_.dtype, Shape{1});
  VectorOpsFor(options_.device->kind())
      .Fill(net_->context(), gradient_factor_, 1.0 / solver_->iter_size());
  if (resume) Restore(state);
  PrepareTakingBack();
  // Now that the run will begin: in front of an error it would be about nothing.
  if (!resume && SavesSnapshots(*solver_)) WarnOfOldSnapshots(solver_->snapshot_prefix());
}

Trainer::~Trainer() = default;

void Trainer::CheckOptions() const {
  const proto::SolverParameter& s = *solver_;
  CheckLearningRate(s);
  CheckUpdateNumbers(s);
  CheckLocalRates(s);
  CheckForkFields(s);
  constexpr int kMost = std::numeric_limits<int>::max();
  CheckRange("solver: average_loss", s.average_loss(), 1, kMost);
  CheckRange("solver: iter_size", s.iter_size(), 1, kMost);
  CheckRange("solver: max_iter", s.max_iter(), 0, kMost);
  // Caffe takes -1, which people mean as "never", for 1.
  CheckRange("solver: display", s.display(), 0, kMost);
  CheckRange("solver: snapshot", s.snapshot(), 0, kMost);
  CheckRange("solver: snapshot_keep", s.snapshot_keep(), 0, kMost);
  const bool decays = s.weight_decay() != 0 || s.weight_decay_policy() != "fixed";
  if (decays && s.regularization_type() != "L2" && s.regularization_type() != "L1") {
    Fail("solver: regularization_type is '", s.regularization_type(), "'; use \"L2\" or \"L1\"");
  }
}

void Trainer::ReadTrainNet() {
  const proto::SolverParameter& s = *solver_;
  const int given = s.has_net() + s.has_net_param() + s.has_train_net() + s.has_train_net_param();
  if (given != 1) {
    Fail("solver: ", given == 0 ? "there is no train net" : "there is more than one train net",
         "; set exactly one of net, net_param, train_net and train_net_param");
  }
  proto::NetParameter config;
  if (s.has_net()) ReadNet(s.net(), &config);
  if (s.has_train_net()) ReadNet(s.train_net(), &config);
  if (s.has_net_param()) config = s.net_param();
  if (s.has_train_net_param()) config = s.train_net_param();
  MergeState(proto::TRAIN, &s.train_state(), &config);
  if (!options_.engine.empty()) config.set_engine(options_.engine);
  if (solver_->has_precision()) config.set_precision(solver_->precision());
  train_config_ = std::make_unique<proto::NetParameter>(config);
}

void Trainer::CheckRoom() {
  TrainingPlan plan;
  plan.train = train_config_.get();
  plan.train_title = TitleOfTrainNet(*solver_, *train_config_);
  for (size_t i = 0; i < test_configs_.size(); ++i) {
    plan.tests.push_back(test_configs_[i].get());
    plan.test_titles.push_back(
        TitleOfTestNet(test_sources_[i], test_numbers_[i], *test_configs_[i]));
  }
  plan.dtype = options_.dtype;
  plan.device = options_.device->kind();
  plan.threads = options_.threads;
  const bool keeps_gradients = solver_->snapshot_diff() && options_.interrupt;
  plan.histories = rule_->history_count() + (solver_->ema_decay() > 0) + keeps_gradients;
  plan.losses = std::min(solver_->average_loss(), solver_->max_iter());
  plan.fuse = options_.fuse && !solver_->debug_info();
  plan.keep_blobs = solver_->debug_info();
  if (solver_->memory_limit() > 0) {
    train_net_limit_ = LimitOfTrainNet(plan, size_t{solver_->memory_limit()} << 20);
    plan.train_limit = train_net_limit_;
  }
  CheckMemory(plan, options_.room > 0 ? options_.room : MemoryOfDevice(*options_.device));
}

void Trainer::BuildTrainNet() {
  const proto::SolverParameter& s = *solver_;
  LOG(INFO) << "Creating training net"
            << (s.has_net() || s.has_train_net()
                    ? " from net file: " + (s.has_net() ? s.net() : s.train_net())
                    : "");
  NetOptions options;
  options.dtype = options_.dtype;
  options.threads = options_.threads;
  options.fuse = options_.fuse && !solver_->debug_info();  // which shows every layer
  options.keep_blobs = solver_->debug_info();
  options.seed = seed_;
  options.memory_limit = train_net_limit_;
  net_ = InSource(TitleOfTrainNet(*solver_, *train_config_),
                  [&] { return std::make_unique<Net>(*train_config_, options_.device, options); });
  LOG(INFO) << "Training " << DescribeBriefly(net_->graph(), net_->memory(), 0);
  if (options_.verbose) LOG(INFO) << "The training net\n" << net_->Describe();
  const bool learns =
      !net_->flat_gradients().shape().dims().empty() && net_->flat_gradients().count() > 0;
  if (!learns) LOG(WARNING) << "No parameter of the training net contributes to a loss";
}

void Trainer::ReadTestNets() {
  const proto::SolverParameter& s = *solver_;
  const bool generic = s.has_net() || s.has_net_param();
  const int own = s.test_net_param_size() + s.test_net_size();
  const int total = s.test_iter_size();
  if (generic ? total < own : total != own) {
    Fail("solver: has ", total, " test_iter for ", Counted(own, "test net"),
         "; give one per test net");
  }
  if (s.test_state_size() > 0 && s.test_state_size() != total) {
    Fail("solver: has ", s.test_state_size(), " test_state for ", Counted(total, "test net"),
         "; give one per test net, or none");
  }
  for (int number = 0; number < total; ++number) {
    if (s.test_iter(number) > 0) {
      ReadTestNet(number);
    } else {
      LOG(INFO) << "Test net (#" << number << ") has test_iter: " << s.test_iter(number)
                << ", so it is never tested";
    }
  }
  if (test_configs_.empty() || s.test_interval() > 0) return;
  Fail("solver: test_iter is set ",
       s.test_interval() == 0
           ? "without test_interval; set test_interval"
           : Concat("but test_interval is ", s.test_interval(), "; use 1 or more"));
}

// The test nets' own files come first, then the net that is for training, too.
void Trainer::ReadTestNet(int number) {
  const proto::SolverParameter& s = *solver_;
  const int file = number - s.test_net_param_size();
  proto::NetParameter config;
  std::string source = "net_param";
  if (file < 0) {
    config = s.test_net_param(number);
    source = "test_net_param";
  } else if (file < s.test_net_size() || s.has_net()) {
    const bool own = file < s.test_net_size();
    const std::string& path = own ? s.test_net(file) : s.net();
    ReadNet(path, &config);
    source = (own ? "test_net file: " : "net file: ") + path;
  } else {
    config = s.net_param();
  }
  MergeState(proto::TEST, s.test_state_size() > 0 ? &s.test_state(number) : nullptr, &config);
  if (!options_.engine.empty()) config.set_engine(options_.engine);
  if (s.has_precision()) config.set_precision(s.precision());
  test_configs_.push_back(std::make_unique<proto::NetParameter>(std::move(config)));
  test_sources_.push_back(source);
  test_numbers_.push_back(number);
}

void Trainer::BuildTestNets() {
  NetOptions options;
  options.dtype = options_.dtype;
  options.threads = options_.threads;
  options.fuse = options_.fuse && !solver_->debug_info();  // which shows every layer
  options.keep_blobs = solver_->debug_info();
  options.seed = seed_;
  options.backward = false;
  options.share_params_with = options.share_memory_with = net_.get();
  size_t arena = net_->memory().arena;
  for (size_t i = 0; i < test_configs_.size(); ++i) {
    const int number = test_numbers_[i];
    LOG(INFO) << "Creating test net (#" << number << ") specified by " << test_sources_[i];
    test_nets_.push_back(InSource(TitleOfTestNet(test_sources_[i], number, *test_configs_[i]), [&] {
      return std::make_unique<Net>(*test_configs_[i], options_.device, options);
    }));
    test_nets_.back()->SetDebugInfo(solver_->debug_info());
    const Net& net = *test_nets_.back();
    LOG(INFO) << "Test " << DescribeBriefly(net.graph(), net.memory(), arena);
    if (options_.verbose) LOG(INFO) << "The test net (#" << number << ")\n" << net.Describe();
    arena = std::max(arena, net.memory().arena);
    tests_done_.push_back(0);
  }
}

void Trainer::LoadWeights() {
  if (!options_.resume_from.empty()) return;
  for (const std::string& list : solver_->weights()) {
    const std::vector<std::string> paths = SplitList(list);
    const auto commas = static_cast<size_t>(std::count(list.begin(), list.end(), ','));
    if (paths.size() != commas + 1) {
      Fail("solver: weights is '", list,
           "', where a file's name is missing; give one, or no weights");
    }
    for (const std::string& path : paths) {
      LOG(INFO) << "Finetuning from " << path;
      const WeightsReport report = net_->LoadWeights(path);
      CheckSomeMatched(report, path, net_->name());
      LOG(INFO) << report.ToString();
      for (auto& test_net : test_nets_) test_net->LoadWeights(path);
    }
  }
}

void Trainer::AllocateHistory() {
  const Tensor& flat = net_->flat_params();
  for (int h = 0; h < rule_->history_count(); ++h) {
    flat_history_.emplace_back(options_.device, flat.dtype(), flat.shape());
    options_.device->Zero(flat_history_.back().raw(), flat_history_.back().bytes());
  }
  for (size_t i = 0; i < net_->graph().params.size(); ++i) {
    history_.emplace_back();
    if (net_->graph().params[i].owner >= 0) continue;
    const Tensor& values = net_->param(i).data_tensor();
    const auto offset = static_cast<size_t>(static_cast<const char*>(values.raw()) -
                                            static_cast<const char*>(flat.raw()));
    for (const Tensor& history : flat_history_) {
      history_[i].emplace_back(history.buffer(), offset, values.dtype(), values.shape());
    }
  }
}

}  // namespace crema
