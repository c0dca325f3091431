// The nets of models/ on a few random images, for tests that compare engines by whole nets.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crema.pb.h"
#include "crema/net.h"

namespace crema::test {

struct ModelCase {
  std::vector<int64_t> shape = {4, 3, 224, 224};  // of its images
  bool is_small = false;
};

const std::map<std::string, ModelCase>& ModelCases();
std::vector<std::string> ModelNames();

// For names of tests, which have letters and digits only.
std::string TestName(std::string model);

// Why the net is not run; "" where it is. Large ones run where CREMA_PARITY is set.
std::string WhyNotRun(const std::string& model);

// Twenty iterations on random images.
proto::SolverParameter ModelSolver(const std::string& model);

// Of the net's parameters that have one.
std::vector<std::vector<double>> GradientsOf(const Net& net);

double Length(const std::vector<double>& values);
double QuadraticMean(const std::vector<double>& values);

// How far gradients are from the exact ones, each over its length. A gradient that is all rounding,
// as a bias's before a BatchNorm, counts by the longest one.
std::vector<double> GradientErrors(const std::vector<std::vector<double>>& gradients,
                                   const std::vector<std::vector<double>>& exact);

}  // namespace crema::test
