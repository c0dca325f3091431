// crema show: the compiled plan of a net. No memory is taken for it: a net that is too large for
// this machine can be looked at all the same.
#include <iostream>

#include "commands/command.h"
#include "commands/flags.h"
#include "crema.pb.h"
#include "crema/net/compile.h"

namespace crema {

int RunShow(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments);
  const Phase phase = PhaseFromFlags(Phase::kTrain);
  const proto::NetParameter config = NetFromFlags(phase);
  const auto device = DeviceFromFlags();
  CompileOptions options;
  options.backward = phase == Phase::kTrain;
  options.fuse = !FLAGS_no_fuse;
  if (FLAGS_no_slices) options.slice_bytes = 0;
  const Graph graph = CompileNet(config, device->kind(), options);
  std::cout << DescribePlan(graph, MemoryOf(graph), device->name()) << std::flush;
  if (!std::cout) throw std::runtime_error("the plan could not be written to standard output");
  return 0;
}

}  // namespace crema
