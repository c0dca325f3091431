// The texts of the nets that a solver names: one to train, and any number to test.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace crema {

namespace proto {
class NetParameter;
class SolverParameter;
}  // namespace proto

struct TestNetText {
  std::shared_ptr<const proto::NetParameter> config;
  std::string file;    // "" if the text stands in the solver
  std::string source;  // where it comes from, in words: "net file: lenet.prototxt"
  std::string title;   // how errors name it: "lenet.prototxt, test net #1, stage deploy"
  int number = 0;      // in the solver
  int batches = 0;     // of one test (test_iter), 1 or more
};

struct SolverNets {
  std::shared_ptr<const proto::NetParameter> train;
  std::string train_file;          // "" if the text stands in the solver
  std::string train_title;         // how errors name it: "lenet.prototxt, training net"
  std::vector<TestNetText> tests;  // without those that are never tested (test_iter: 0)
};

// Reads them, in the current format, with the phases and stages that the solver gives. `engine` is
// that of all layers, whatever the nets say; "": theirs. Throws Error if a file cannot be read, or
// if the solver's fields about nets contradict each other.
SolverNets ReadSolverNets(const proto::SolverParameter& solver, const std::string& engine);

}  // namespace crema
