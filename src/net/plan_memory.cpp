#include "net/passes.h"

namespace crema {
namespace {

int64_t BytesOf(const BlobNode& blob, DType dtype) {
  return AlignUp(blob.shape.count() * static_cast<int64_t>(SizeOf(dtype)));
}

}  // namespace

MemoryPlan PlanMemory(const Graph& graph) {
  MemoryPlan plan;
  for (const BlobNode& blob : graph.blobs) {
    const int64_t bytes = BytesOf(blob, graph.dtype);
    if (blob.shares_data_with >= 0) {
      plan.data_offset.push_back(plan.data_offset[blob.shares_data_with]);
    } else {
      plan.data_offset.push_back(plan.data_bytes);
      plan.data_bytes += bytes;
    }
    const bool shares_diff =
        blob.shares_diff_with >= 0 && graph.blobs[blob.shares_diff_with].has_diff;
    if (!blob.has_diff) {
      plan.diff_offset.push_back(-1);
    } else if (shares_diff) {
      plan.diff_offset.push_back(plan.diff_offset[blob.shares_diff_with]);
    } else {
      plan.diff_offset.push_back(plan.diff_bytes);
      plan.diff_bytes += bytes;
    }
  }
  return plan;
}

}  // namespace crema
