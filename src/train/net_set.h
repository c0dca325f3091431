// The nets of a training: one that learns, and the test nets, which share its parameters and its
// memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crema/net.h"
#include "train/solver_nets.h"

namespace crema {

namespace proto {
class SolverProgress;
class SolverState;
}  // namespace proto

// One thread at a time. Nets run in turn: a pass of one ends before that of another begins.
class NetSet {
 public:
  // Builds all nets and logs what they are; `verbose`: everything about each layer. `options` are
  // those of the train net; keep_blobs also means that debug_info may be logged. Throws Error if a
  // net makes no sense or memory runs out.
  NetSet(const SolverNets& texts, const std::shared_ptr<Device>& device, const NetOptions& options,
         bool verbose);

  Net& train() const { return *train_; }
  // The test nets count from 0. The solver may number them otherwise, see TestNetText.
  int tests() const { return static_cast<int>(tests_.size()); }
  Net& test(int i) const { return *tests_[i]; }

  // What the nets were made from, and how.
  const SolverNets& texts() const { return texts_; }
  const NetOptions& train_options() const { return train_options_; }
  const NetOptions& test_options() const { return test_options_; }

  // Loads the weights of the files in `list`, separated by commas; of several that have a layer,
  // the last one counts. Logs what became of them. Throws Error if a file cannot be read, does not
  // fit, or has no layer of the train net.
  void LoadWeights(const std::string& list);

  // To and from a state: the positions in the data, and what layers carry from batch to batch. The
  // positions of test nets follow from the number of tests that each has made. Throws Error,
  // naming `path`, if they do not fit.
  void Save(proto::SolverProgress* progress) const;
  void Restore(const proto::SolverState& state, const std::string& path, int64_t tests_made);

 private:
  void BuildTrainNet(const std::shared_ptr<Device>& device, bool verbose);
  void BuildTestNets(const std::shared_ptr<Device>& device, bool verbose);
  void LoadWeightsFile(const std::string& path);
  std::string StatePrefix(int test_net) const;

  SolverNets texts_;
  NetOptions train_options_, test_options_;
  std::unique_ptr<Net> train_;
  std::vector<std::unique_ptr<Net>> tests_;
};

}  // namespace crema
