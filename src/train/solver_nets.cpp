#include "train/solver_nets.h"

#include <glog/logging.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/counted.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "schema/upgrade.h"
#include "solvers/solver_error.h"

namespace crema {
namespace {

// A solver that names its net without a folder is mostly used from its own folder.
void CheckIsThere(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path file(path);
  if (std::filesystem::status(file, failed).type() != std::filesystem::file_type::not_found) return;
  FailInSolver(
      "its net '", path, "' does not exist; correct the name",
      file.is_relative() ? ", which counts from the current folder, not from the solver's" : "");
}

void ReadNet(const std::string& path, proto::NetParameter* net) {
  CheckIsThere(path);
  for (const std::string& change : ReadNetFile(path, net)) LOG(INFO) << path << ": " << change;
}

void MergeState(proto::Phase phase, const proto::NetState* solver_state, proto::NetParameter* net) {
  proto::NetState state;
  state.set_phase(phase);
  state.MergeFrom(net->state());
  if (solver_state != nullptr) state.MergeFrom(*solver_state);
  *net->mutable_state() = state;
}

// `file` is "" if the net stands in the solver.
std::string TitleOf(const std::string& file, const std::string& net,
                    const proto::NetParameter& config) {
  std::string title = file.empty() ? net : file + ", " + net;
  if (config.state().level() != 0) title += Concat(", level ", config.state().level());
  for (const std::string& stage : config.state().stage()) title += ", stage " + stage;
  return title;
}

// What the solver, or who started the training, wishes of every net.
void ApplyOverrides(const proto::SolverParameter& s, const std::string& engine,
                    proto::NetParameter* net) {
  if (!engine.empty()) net->set_engine(engine);
  if (s.has_precision()) net->set_precision(s.precision());
}

std::shared_ptr<const proto::NetParameter> ReadTrainNet(const proto::SolverParameter& s,
                                                        const std::string& engine) {
  const int given = s.has_net() + s.has_net_param() + s.has_train_net() + s.has_train_net_param();
  if (given != 1) {
    FailInSolver("", given == 0 ? "there is no train net" : "there is more than one train net",
                 "; set exactly one of net, net_param, train_net and train_net_param");
  }
  auto config = std::make_shared<proto::NetParameter>();
  if (s.has_net()) ReadNet(s.net(), config.get());
  if (s.has_train_net()) ReadNet(s.train_net(), config.get());
  if (s.has_net_param()) *config = s.net_param();
  if (s.has_train_net_param()) *config = s.train_net_param();
  MergeState(proto::TRAIN, &s.train_state(), config.get());
  ApplyOverrides(s, engine, config.get());
  return config;
}

// The test nets' own files come first, then the net that is for training, too.
TestNetText ReadTestNet(const proto::SolverParameter& s, const std::string& engine, int number) {
  const int file = number - s.test_net_param_size();
  auto config = std::make_shared<proto::NetParameter>();
  TestNetText text;
  std::string path;
  text.source = "net_param";
  text.number = number;
  text.batches = s.test_iter(number);
  if (file < 0) {
    *config = s.test_net_param(number);
    text.source = "test_net_param";
  } else if (file < s.test_net_size() || s.has_net()) {
    const bool own = file < s.test_net_size();
    path = own ? s.test_net(file) : s.net();
    ReadNet(path, config.get());
    text.source = (own ? "test_net file: " : "net file: ") + path;
  } else {
    *config = s.net_param();
  }
  MergeState(proto::TEST, s.test_state_size() > 0 ? &s.test_state(number) : nullptr, config.get());
  ApplyOverrides(s, engine, config.get());
  text.file = path;
  text.title = TitleOf(path, Concat("test net #", number), *config);
  text.config = std::move(config);
  return text;
}

void CheckTestCounts(const proto::SolverParameter& s) {
  const bool generic = s.has_net() || s.has_net_param();
  const int own = s.test_net_param_size() + s.test_net_size();
  const int total = s.test_iter_size();
  if (generic ? total < own : total != own) {
    FailInSolver("has ", total, " test_iter for ", Counted(own, "test net"),
                 "; give one per test net");
  }
  if (s.test_state_size() > 0 && s.test_state_size() != total) {
    FailInSolver("has ", s.test_state_size(), " test_state for ", Counted(total, "test net"),
                 "; give one per test net, or none");
  }
}

std::vector<TestNetText> ReadTestNets(const proto::SolverParameter& s, const std::string& engine) {
  CheckTestCounts(s);
  if (s.test_interval() > 0 && s.test_iter_size() == 0) {
    LOG(WARNING)
        << "test_interval is set without test_iter, so nothing is tested; set test_iter to "
           "the number of batches of a test";
  }
  std::vector<TestNetText> tests;
  for (int number = 0; number < s.test_iter_size(); ++number) {
    if (s.test_iter(number) > 0) {
      tests.push_back(ReadTestNet(s, engine, number));
    } else {
      LOG(INFO) << "Test net (#" << number << ") has test_iter: " << s.test_iter(number)
                << ", so it is never tested";
    }
  }
  if (tests.empty() || s.test_interval() > 0) return tests;
  FailInSolver("test_iter is set ",
               s.test_interval() == 0
                   ? "without test_interval; set test_interval"
                   : Concat("but test_interval is ", s.test_interval(), "; use 1 or more"));
}

}  // namespace

SolverNets ReadSolverNets(const proto::SolverParameter& solver, const std::string& engine) {
  SolverNets nets;
  nets.train = ReadTrainNet(solver, engine);
  nets.train_file = solver.has_net() ? solver.net() : solver.train_net();
  nets.train_title = TitleOf(nets.train_file, "training net", *nets.train);
  nets.tests = ReadTestNets(solver, engine);
  return nets;
}

}  // namespace crema
