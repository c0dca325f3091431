// Everything that a Trainer does before its first iteration.
#include <glog/logging.h>

#include <random>
#include <sstream>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/train/trainer.h"
#include "schema/upgrade.h"
#include "solvers/learning_rate.h"
#include "solvers/update_rule.h"
#include "train/state_io.h"

namespace crema {
namespace {

void MergeState(proto::Phase phase, const proto::NetState* solver_state,
                proto::NetParameter* net) {
  proto::NetState state;
  state.set_phase(phase);
  state.MergeFrom(net->state());
  if (solver_state != nullptr) state.MergeFrom(*solver_state);
  *net->mutable_state() = state;
}

void ReadNet(const std::string& path, proto::NetParameter* net) {
  for (const std::string& change : ReadNetFile(path, net)) LOG(INFO) << path << ": " << change;
}

uint64_t ChooseSeed(const proto::SolverParameter& solver, const proto::SolverState* state) {
  const bool given = solver.random_seed() >= 0;
  if (state != nullptr && state->progress().has_random_seed()) {
    const uint64_t seed = state->progress().random_seed();
    if (given && seed != static_cast<uint64_t>(solver.random_seed())) {
      LOG(WARNING) << "random_seed is " << solver.random_seed() << ", but the run that is resumed "
                   << "began with " << seed << ", which is kept";
    }
    return seed;
  }
  if (given) return static_cast<uint64_t>(solver.random_seed());
  const uint64_t seed = std::random_device{}();
  LOG(INFO) << "Random seed: " << seed << " (drawn; set random_seed to repeat this run)";
  return seed;
}

}  // namespace

Trainer::Trainer(const proto::SolverParameter& solver, const TrainOptions& options)
    : solver_(std::make_unique<proto::SolverParameter>(solver)), options_(options) {
  if (options_.device == nullptr) options_.device = OpenDevice(DeviceKind::kCpu);
  CheckOptions();
  rule_ = CreateUpdateRule(solver_->type(), options_.device->kind());
  CheckSnapshotFolder();
  proto::SolverState state;
  const bool resume = !options_.resume_from.empty();
  if (resume) ReadSolverState(options_.resume_from, &state);
  seed_ = ChooseSeed(*solver_, resume ? &state : nullptr);
  BuildTrainNet();
  BuildTestNets();
  LoadWeights();
  AllocateHistory();
  loss_window_ = Tensor(options_.device, options_.dtype, Shape{solver_->average_loss()});
  sum_of_squares_ = Tensor(options_.device, options_.dtype, Shape{1});
  if (resume) Restore(state);
}

Trainer::~Trainer() = default;

void Trainer::CheckOptions() const {
  const proto::SolverParameter& s = *solver_;
  CheckLearningRate(s);
  if (s.average_loss() < 1) Fail("solver: average_loss is ", s.average_loss(), "; use 1 or more");
  if (s.iter_size() < 1) Fail("solver: iter_size is ", s.iter_size(), "; use 1 or more");
  if (s.max_iter() < 0) Fail("solver: max_iter is ", s.max_iter(), "; use 0 or more");
  if (s.test_interval() < 0 || s.display() < 0 || s.snapshot() < 0) {
    Fail("solver: test_interval, display and snapshot must not be negative");
  }
  if (s.regularization_type() != "L2" && s.regularization_type() != "L1") {
    Fail("solver: regularization_type is '", s.regularization_type(), "'; use \"L2\" or \"L1\"");
  }
  if (s.snapshot_format() != proto::SolverParameter::BINARYPROTO) {
    Fail("solver: snapshot_format HDF5 is not supported yet; use BINARYPROTO");
  }
  if (s.debug_info()) Fail("solver: debug_info is not supported yet; remove it");
}

void Trainer::BuildTrainNet() {
  const proto::SolverParameter& s = *solver_;
  const int given = s.has_net() + s.has_net_param() + s.has_train_net() + s.has_train_net_param();
  if (given != 1) {
    Fail("solver: ", given == 0 ? "no train net is given" : "more than one train net is given",
         "; set exactly one of net, net_param, train_net and train_net_param");
  }
  proto::NetParameter config;
  if (s.has_net()) ReadNet(s.net(), &config);
  if (s.has_train_net()) ReadNet(s.train_net(), &config);
  if (s.has_net_param()) config = s.net_param();
  if (s.has_train_net_param()) config = s.train_net_param();
  LOG(INFO) << "Creating training net"
            << (s.has_net() || s.has_train_net()
                    ? " from net file: " + (s.has_net() ? s.net() : s.train_net())
                    : "");
  MergeState(proto::TRAIN, &s.train_state(), &config);
  NetOptions options;
  options.dtype = options_.dtype;
  options.seed = seed_;
  net_ = std::make_unique<Net>(config, options_.device, options);
  LOG(INFO) << "The training net\n" << net_->Describe();
  const bool learns = !net_->flat_gradients().shape().dims().empty() &&
                      net_->flat_gradients().count() > 0;
  if (!learns) LOG(WARNING) << "No parameter of the training net depends on a loss";
}

void Trainer::BuildTestNets() {
  const proto::SolverParameter& s = *solver_;
  const bool generic = s.has_net() || s.has_net_param();
  const int own = s.test_net_param_size() + s.test_net_size();
  const int total = s.test_iter_size();
  if (generic ? total < own : total != own) {
    Fail("solver: ", total, " test_iter for ", own, " test nets; give one test_iter for each");
  }
  if (s.test_state_size() > 0 && s.test_state_size() != total) {
    Fail("solver: ", s.test_state_size(), " test_state for ", total,
         " test nets; give one for each, or none");
  }
  if (total > 0 && s.test_interval() == 0) {
    Fail("solver: test_iter is given but test_interval is not; add test_interval");
  }
  for (const proto::NetParameter& param : s.test_net_param()) {
    proto::NetParameter config = param;
    AddTestNet(&config, "test_net_param");
  }
  for (const std::string& path : s.test_net()) {
    proto::NetParameter config;
    ReadNet(path, &config);
    AddTestNet(&config, "test_net file: " + path);
  }
  while (test_nets() < total) {
    proto::NetParameter config;
    if (s.has_net()) ReadNet(s.net(), &config);
    if (s.has_net_param()) config = s.net_param();
    AddTestNet(&config, s.has_net() ? "net file: " + s.net() : "net_param");
  }
}

void Trainer::AddTestNet(proto::NetParameter* config, const std::string& source) {
  const int number = test_nets();
  if (solver_->test_iter(number) < 1) {
    Fail("solver: test_iter is ", solver_->test_iter(number), "; use 1 or more");
  }
  LOG(INFO) << "Creating test net (#" << number << ") specified by " << source;
  const bool has_state = solver_->test_state_size() > 0;
  MergeState(proto::TEST, has_state ? &solver_->test_state(number) : nullptr, config);
  NetOptions options;
  options.dtype = options_.dtype;
  options.seed = seed_;
  options.backward = false;
  options.share_params_with = net_.get();
  test_nets_.push_back(std::make_unique<Net>(*config, options_.device, options));
  LOG(INFO) << "The test net (#" << number << ")\n" << test_nets_.back()->Describe();
  tests_done_.push_back(0);
}

void Trainer::LoadWeights() {
  if (!options_.resume_from.empty()) return;
  for (const std::string& list : solver_->weights()) {
    for (const std::string& path : SplitList(list)) {
      LOG(INFO) << "Finetuning from " << path;
      LOG(INFO) << net_->LoadWeights(path).ToString();
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
