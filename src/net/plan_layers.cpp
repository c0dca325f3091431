// What each layer is told before it plans. Passes find out little by little how a layer will run;
// each plan is made for what is known by then, and at the end once more where that was not all.
#include "crema/dev/host_tasks.h"
#include "net/passes.h"

namespace crema {

Shape SeenShape(const LayerNode& node, const BlobNode& blob) {
  return node.parts == 1 || blob.is_part ? blob.shape : PartShape(blob.shape, node.parts);
}

PlanInput PlanInputOf(const Graph& graph, const LayerNode& node) {
  PlanInput input;
  for (int bottom : node.bottoms) {
    const BlobNode& blob = graph.blobs[bottom];
    input.bottoms.emplace_back(SeenShape(node, blob), blob.dtype, blob.layout);
  }
  input.dtype = graph.dtype;
  input.layout = node.layout;
  input.phase = node.layer->phase();
  input.device = graph.device;
  input.in_place = RunsInPlace(node);
  input.runs_backward = node.runs_backward;
  input.propagate_down = node.propagate_down;
  for (int param : node.params) {
    input.wants_gradient.push_back(node.runs_backward && graph.params[param].wants_gradient);
  }
  return input;
}

namespace {

// Layers that say nothing about it compute with the net's numbers only.
void CheckTypes(const PlanInput& input, const LayerNode& node) {
  if (node.traits.accepts_any_dtype) return;
  for (size_t b = 0; b < input.bottoms.size(); ++b) {
    const DType dtype = input.bottoms[b].dtype;
    if (dtype == input.dtype) continue;
    Fail(LayerTitle(*node.layer), ": bottom ", b, " holds ", ToString(dtype),
         " numbers, but the layer takes those of the net, ", ToString(input.dtype),
         "; give it another bottom");
  }
}

}  // namespace

void PlanLayer(const PlanInput& input, LayerNode* node) {
  CheckTypes(input, *node);
  node->planned_threads = 0;  // until the layer has agreed
  try {
    node->plan = node->layer->Plan(input);
    node->traits = node->layer->traits();
  } catch (...) {
    RethrowFor(*node);
  }
  node->planned = input;
  node->planned_threads = HostThreads();
}

bool IsPlannedFor(const PlanInput& input, const LayerNode& node) {
  return node.planned_threads == HostThreads() && node.planned == input;
}

void CompletePlans(Graph* graph) {
  for (LayerNode& node : graph->layers) {
    if (node.absorbed_by >= 0) continue;
    const PlanInput input = PlanInputOf(*graph, node);
    if (input == node.planned) continue;
    const LayerPlan before = node.plan;
    PlanLayer(input, &node);
    CREMA_CHECK(node.plan.tops == before.tops, LayerTitle(*node.layer));
    CREMA_CHECK(node.plan.params.size() == before.params.size(), LayerTitle(*node.layer));
  }
}

}  // namespace crema
