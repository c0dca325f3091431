// crema show: a net as it would run. No memory is taken for it: a net that is too large for this
// machine can be looked at all the same.
#include <gflags/gflags.h>

#include <iostream>

#include "base/in_source.h"
#include "commands/command.h"
#include "commands/flags.h"
#include "crema.pb.h"
#include "crema/dev/compile.h"
#include "crema/error.h"
#include "net/describe.h"
#include "wrap.h"

DEFINE_bool(summary, false, "Print only the totals of the net");
DEFINE_bool(engines, false,
            "Also print which engine runs each layer, why another one cannot, and what is fused");

namespace crema {
namespace {

void Print(const Graph& graph, const std::string& device) {
  const NetMemory memory = MemoryOf(graph);
  if (FLAGS_verbose) {
    std::cout << DescribePlan(graph, memory, device);
    return;
  }
  std::cout << "net '" << graph.name << "', phase "
            << (graph.phase == Phase::kTrain ? "TRAIN" : "TEST") << ", " << ToString(graph.dtype)
            << ", on the " << device << "\n\n";
  if (!FLAGS_summary) std::cout << DescribeLayers(graph, OutputWidth()) << "\n";
  if (FLAGS_engines) std::cout << DescribeEngines(graph, OutputWidth()) << "\n";
  std::cout << DescribeTotals(graph, memory);
}

}  // namespace

int RunShow(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments, "model");
  const Phase phase = PhaseFromFlags(Phase::kTrain);
  const proto::NetParameter config = NetFromFlags(phase);
  const auto device = DeviceFromFlags();
  CompileOptions options;
  options.backward = phase == Phase::kTrain;
  options.threads = ThreadsFromFlags();
  options.fuse = !FLAGS_no_fuse;
  if (FLAGS_no_slices) options.slice_bytes = 0;
  Print(InSource(
            TitleOfNetFromFlags(phase), [&] { return CompileNet(config, device->kind(), options); },
            InFile(FLAGS_model).place()),
        device->name());
  return 0;
}

}  // namespace crema
