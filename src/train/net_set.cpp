#include "train/net_set.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "base/in_source.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "net/describe.h"
#include "solvers/solver_error.h"
#include "train/carried_state.h"
#include "train/report.h"

namespace crema {

NetSet::NetSet(const SolverNets& texts, const std::shared_ptr<Device>& device,
               const NetOptions& options, bool verbose)
    : texts_(texts), train_options_(options), test_options_(options) {
  BuildTrainNet(device, verbose);
  test_options_.memory_limit = 0;
  test_options_.backward = false;
  test_options_.rank = {};  // each rank makes the whole test
  test_options_.share_params_with = test_options_.share_memory_with = train_.get();
  BuildTestNets(device, verbose);
}

void NetSet::BuildTrainNet(const std::shared_ptr<Device>& device, bool verbose) {
  const std::string& file = texts_.train_file;
  LOG(INFO) << "Creating training net" << (file.empty() ? "" : " from net file: " + file);
  train_ = InSource(
      texts_.train_title,
      [&] { return std::make_unique<Net>(*texts_.train, device, train_options_); },
      InFile(file).place());
  LOG(INFO) << "Training " << DescribeBriefly(train_->graph(), train_->memory(), 0);
  if (verbose) LOG(INFO) << "The training net\n" << train_->Describe();
}

void NetSet::BuildTestNets(const std::shared_ptr<Device>& device, bool verbose) {
  size_t arena = train_->memory().arena;
  for (const TestNetText& text : texts_.tests) {
    LOG(INFO) << "Creating test net (#" << text.number << ") specified by " << text.source;
    tests_.push_back(InSource(
        text.title, [&] { return std::make_unique<Net>(*text.config, device, test_options_); },
        InFile(text.file).place()));
    Net& net = *tests_.back();
    net.SetDebugInfo(test_options_.keep_blobs);
    LOG(INFO) << "Test " << DescribeBriefly(net.graph(), net.memory(), arena);
    if (verbose) LOG(INFO) << "The test net (#" << text.number << ")\n" << net.Describe();
    arena = std::max(arena, net.memory().arena);
  }
}

void NetSet::LoadWeights(const std::string& list) {
  const std::vector<std::string> paths = SplitList(list);
  const auto commas = static_cast<size_t>(std::count(list.begin(), list.end(), ','));
  if (paths.size() != commas + 1) {
    FailInSolver("weights is '", list,
                 "', where a file's name is missing; give one, or no weights");
  }
  for (const std::string& path : paths) LoadWeightsFile(path);
}

void NetSet::LoadWeightsFile(const std::string& path) {
  LOG(INFO) << "Finetuning from " << path;
  const WeightsReport report = train_->LoadWeights(path);
  CheckSomeMatched(report, path, train_->name());
  LOG(INFO) << report.ToString();
  for (const auto& net : tests_) net->LoadWeights(path);
}

// Of the names of a test net's layers in a state.
std::string NetSet::StatePrefix(int test_net) const {
  return Concat(texts_.tests[test_net].number, "/");
}

void NetSet::Save(proto::SolverProgress* progress) const {
  for (const auto& [layer, position] : train_->DataPositions()) {
    progress->add_data_layer(layer);
    progress->add_data_position(position);
  }
  SaveCarried(*train_, "", progress);
  for (int i = 0; i < tests(); ++i) SaveCarried(test(i), StatePrefix(i), progress);
}

void NetSet::Restore(const proto::SolverState& state, const std::string& path, int64_t tests_made) {
  const proto::SolverProgress& progress = state.progress();
  if (progress.data_layer_size() != progress.data_position_size()) {
    Fail(InFile(path), ": is damaged: ", progress.data_layer_size(), " data layers, but ",
         progress.data_position_size(), " positions");
  }
  std::vector<std::pair<std::string, uint64_t>> positions;
  for (int i = 0; i < progress.data_layer_size(); ++i) {
    positions.emplace_back(progress.data_layer(i), progress.data_position(i));
  }
  train_->SeekData(positions);
  if (!state.has_progress()) {
    LOG(WARNING) << path << " does not record the position in the data (Caffe does not store it), "
                 << "so the data starts from the beginning";
  }
  for (int i = 0; i < tests() && state.has_progress(); ++i) {
    test(i).SeekPasses(static_cast<uint64_t>(tests_made) * texts_.tests[i].batches);
  }
  int next = 0;
  RestoreCarried(progress, "", path, *train_, &next);
  for (int i = 0; i < tests(); ++i) {
    RestoreCarried(progress, StatePrefix(i), path, test(i), &next);
  }
}

}  // namespace crema
