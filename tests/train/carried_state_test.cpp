#include "train/carried_state.h"

#include <gtest/gtest.h>

#include "net/net_test_util.h"

namespace crema::test {
namespace {

// A recurrent layer of that name, whose carried state is all `value`.
std::unique_ptr<Net> CarryingNet(const std::string& layer, double value) {
  auto net =
      MakeNet(Input("x", {1, 1, 2}) + Input("cont", {1, 1}) +
              Layer(layer, "RNN", {"x", "cont"}, {"h"}, "recurrent_param { num_output: 2 }"));
  for (const auto& [name, tensors] : net->CarriedStates()) {
    for (const Tensor& tensor : tensors) {
      tensor.FromHost(std::vector<double>(static_cast<size_t>(tensor.count()), value));
    }
  }
  return net;
}

double FirstOf(const Net& net) { return net.CarriedStates()[0].second[0].ToHost<double>()[0]; }

TEST(CarriedState, ALayerMayBeNamedAsIfItWereOfAnotherNet) {
  proto::SolverProgress progress;
  SaveCarried(*CarryingNet("0/r", 3), "", &progress);
  SaveCarried(*CarryingNet("r", 5), "0/", &progress);
  const auto train = CarryingNet("0/r", 0), test = CarryingNet("r", 0);
  int next = 0;
  RestoreCarried(progress, "", "p", *train, &next);
  RestoreCarried(progress, "0/", "p", *test, &next);
  EXPECT_EQ(FirstOf(*train), 3);
  EXPECT_EQ(FirstOf(*test), 5);
}

TEST(CarriedState, WhatWasNotSavedStays) {
  proto::SolverProgress progress;
  SaveCarried(*CarryingNet("a", 3), "", &progress);
  SaveCarried(*CarryingNet("r", 5), "0/", &progress);
  const auto train = CarryingNet("b", 1), test = CarryingNet("r", 0);
  int next = 0;
  RestoreCarried(progress, "", "p", *train, &next);
  RestoreCarried(progress, "0/", "p", *test, &next);
  EXPECT_EQ(FirstOf(*train), 1);
  EXPECT_EQ(FirstOf(*test), 5);
}

}  // namespace
}  // namespace crema::test
