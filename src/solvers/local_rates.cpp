#include "solvers/local_rates.h"

#include <map>

#include "crema.pb.h"
#include "crema/error.h"
#include "solvers/solver_error.h"
#include "tensor/param_block.h"

namespace crema {
namespace {

std::map<DeviceKind, LocalRateKernels>& TheKernels() {
  static std::map<DeviceKind, LocalRateKernels> kernels;
  return kernels;
}

Tensor Zeros(const std::shared_ptr<Device>& device, DType dtype, const Shape& shape) {
  Tensor tensor(device, dtype, shape);
  device->Zero(tensor.raw(), tensor.bytes());
  return tensor;
}

}  // namespace

LocalRateRegistration::LocalRateRegistration(DeviceKind device, LocalRateKernels kernels) {
  CREMA_CHECK(TheKernels().emplace(device, kernels).second, "local rates are registered twice");
}

void CheckLocalRates(const proto::SolverParameter& s) {
  if (s.larc() && s.local_lr_auto()) {
    FailInSolver("larc (NVIDIA's) and local_lr_auto (Intel's) are both true; set only one");
  }
  if (s.larc_policy() != "scale" && s.larc_policy() != "clip") {
    FailInSolver("larc_policy is '", s.larc_policy(), "'; use \"scale\" or \"clip\"");
  }
  if (s.larc_turbo() && !s.larc()) FailInSolver("larc_turbo needs larc: true");
  if (s.larc() && !(s.larc_eta() > 0)) {
    FailInSolver("larc_eta is ", s.larc_eta(), ", but must be greater than 0");
  }
  if (s.local_lr_auto() && !(s.local_gw_ratio() > 0)) {
    FailInSolver("local_gw_ratio is ", s.local_gw_ratio(), ", but must be greater than 0");
  }
}

bool LocalRates::AskedFor(const proto::SolverParameter& solver) {
  return solver.larc() || solver.local_lr_auto();
}

LocalRates::LocalRates(const proto::SolverParameter& solver, const std::shared_ptr<Device>& device,
                       DType dtype, int64_t elements, const std::vector<ParamSegment>& segments) {
  const auto params = static_cast<int64_t>(segments.size());
  work_.segments = segments;
  work_.lars = solver.local_lr_auto();
  work_.clip = !work_.lars && solver.larc_policy() == "clip";
  work_.turbo = solver.larc_turbo();
  work_.eta = work_.lars ? solver.local_gw_ratio() : solver.larc_eta();
  work_.sums = Zeros(device, dtype, Shape{4, params});
  work_.correlations = Zeros(device, dtype, Shape{params});
  work_.local = Zeros(device, dtype, Shape{params});
  work_.rates = Zeros(device, dtype, Shape{elements / kParamBlock});
  std::vector<int32_t> owners(elements / kParamBlock, -1);
  for (int64_t p = 0; p < params; ++p) {
    const int64_t end = segments[p].first + segments[p].count;
    for (int64_t i = segments[p].first; i < end; i += kParamBlock) {
      owners[i / kParamBlock] = static_cast<int32_t>(p);
    }
  }
  work_.param_of_block = Tensor(device, DType::kInt32, work_.rates.shape());
  work_.param_of_block.FromHost(owners);
}

void LocalRates::Apply(const Context& ctx, UpdateStep* step) {
  TheKernels().at(ctx.kind())(ctx, work_, *step);
  step->rate = 1;
  step->rate_mults = work_.rates;
}

}  // namespace crema
