// A learning rate for every parameter blob, from the norms of its weights w and gradient g: large
// where a step is small beside the weights. It takes the place of lr_mult where that is not 0.
// You, Gitman, Ginsburg: "Large batch training of convolutional networks", 2017.
//   local_lr_auto (LARS, as in Intel's Caffe): local = local_gw_ratio |w| / (|g| + weight_decay
//   |w|) larc (as in NVIDIA's Caffe): local = (1 - momentum) larc_eta |w| / |g|
// local is 1 where |w| or |g| is 0. The rate is rate * local, or with the larc_policy "clip"
// min(rate, local). larc_turbo subtracts 0.9 c from local, c being the running mean, which keeps
// 0.95, of the cosine between g and the first history.
#pragma once

#include <memory>
#include <vector>

#include "crema/tensor.h"
#include "solvers/param_table.h"
#include "solvers/update_rule.h"

namespace crema {

namespace proto {
class SolverParameter;
}

// Throws Error where the options make no sense.
void CheckLocalRates(const proto::SolverParameter& solver);

// Used on the thread that trains.
class LocalRates {
 public:
  // Whether the solver asks for them at all.
  static bool AskedFor(const proto::SolverParameter& solver);

  // For parameters as in `table`, in buffers of `elements` elements of type `dtype`.
  LocalRates(const proto::SolverParameter& solver, const std::shared_ptr<Device>& device,
             DType dtype, int64_t elements, const std::vector<ParamSegment>& segments);

  // Replaces rate and rate_mults of the step; queues work only.
  void Apply(const Context& ctx, UpdateStep* step);

  // larc_turbo's c for each parameter: to be kept for a resume.
  std::vector<double> correlations() const { return work_.correlations.ToHost<double>(); }
  // As many as there are parameters. Waits for the device, as the one above does.
  void set_correlations(const std::vector<double>& values) { work_.correlations.FromHost(values); }

  // What the kernels work on; by parameter but for the last two, which are by block.
  struct Work {
    std::vector<ParamSegment> segments;
    Tensor sums;  // (4, parameters): |w|^2, |g|^2, g h, |h|^2
    Tensor correlations, local;
    Tensor rates;
    Tensor param_of_block;  // int32; -1: none
    bool lars = false, clip = false, turbo = false;
    double eta = 0;
  };

 private:
  Work work_;
};

// The kernels of one kind of device; local_rate_kernels.cpp registers them once a target.
using LocalRateKernels = void (*)(const Context& ctx, const LocalRates::Work& work,
                                  const UpdateStep& step);

// Registers where it is constructed: as a global, before main.
struct LocalRateRegistration {
  // A second one for a device is a mistake of ours, and aborts.
  LocalRateRegistration(DeviceKind device, LocalRateKernels kernels);
};

}  // namespace crema
