// The order of the passes that compile a net.
#include "crema/dev/compile.h"

#include <algorithm>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/dev/host_tasks.h"
#include "net/memory_limit.h"
#include "net/passes.h"
#include "net/plan_cache.h"

namespace crema {
namespace {

// Of a net that has nothing to recompute.
void CheckLimit(size_t limit, const Graph& graph) {
  const size_t total = MemoryOf(graph).Total();
  if (total <= limit) return;
  throw MemoryLimitError(Concat("the net '", graph.name, "' needs ",
                                BytesToString(static_cast<double>(total)), " of memory, but only ",
                                BytesToString(static_cast<double>(limit)), " is available"));
}

}  // namespace

Graph CompileNet(const proto::NetParameter& config, DeviceKind device,
                 const CompileOptions& options) {
  if (options.dtype == DType::kInt32) {
    Fail("the net '", config.name(), "' cannot compute in int32; use dtype float32 or float64");
  }
  const PlansForThreads threads(ThreadsToUse(options.threads));
  const proto::NetParameter net = InsertSplits(FilterLayers(config));
  Graph graph = BuildGraph(net, options.dtype, device, options.backward);
  graph.plan_cache = std::make_shared<PlanCache>();
  graph.keep_blobs = options.keep_blobs;
  CheckTotal(graph);
  PlanLayout(&graph);
  if (options.backward) {
    MarkBackward(net, &graph);
  } else {
    MarkForwardOnly(&graph);
  }
  if (options.fuse) FuseLayers(&graph);
  CompletePlans(&graph);
  MarkRecomputed(&graph);
  const bool is_limited = options.memory_limit > 0;
  if (is_limited && options.backward) MeetMemoryLimit(options.memory_limit, &graph);
  const bool may_slice = !options.backward && !graph.keep_blobs && device == DeviceKind::kCpu;
  // Not by the number of threads, on which no result may depend.
  graph.processors = options.processors > 0 ? options.processors : HostProcessors();
  const size_t most = size_t{1} << 40;
  graph.slice_bytes = may_slice ? static_cast<int64_t>(std::min(options.slice_bytes, most)) : 0;
  SliceBatch(&graph);
  if (is_limited && !options.backward) CheckLimit(options.memory_limit, graph);
  return graph;
}

bool KeepsParamGradients(const Graph& graph) {
  const auto wants = [](const ParamNode& p) { return p.owner < 0 && p.wants_gradient; };
  const auto runs = [](const LayerNode& l) { return l.runs_backward; };
  return std::any_of(graph.params.begin(), graph.params.end(), wants) &&
         std::any_of(graph.layers.begin(), graph.layers.end(), runs);
}

NetMemory MemoryOf(const Graph& graph) {
  NetMemory memory = PlanMemory(graph).memory;
  for (const ParamNode& param : graph.params) {
    if (param.owner < 0) memory.params += ParamBytes(param, graph.dtype);
  }
  if (KeepsParamGradients(graph)) memory.param_gradients = memory.params;
  return memory;
}

}  // namespace crema
