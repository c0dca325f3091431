// The compiled plan in words, for `crema show`.
#include <algorithm>
#include <iomanip>

#include "base/strings.h"
#include "crema/net/compile.h"
#include "net/passes.h"

namespace crema {
namespace {

std::string Dims(const Shape& shape) {
  std::vector<std::string> dims;
  for (int64_t dim : shape.dims()) dims.push_back(std::to_string(dim));
  return dims.empty() ? "scalar" : Join(dims, "x");
}

class Table {
 public:
  void Row(std::vector<std::string> cells) {
    widths_.resize(std::max(widths_.size(), cells.size()), 0);
    for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cells[i].size());
    rows_.push_back(std::move(cells));
  }
  std::string ToString() const {
    TextStream out;
    for (const auto& row : rows_) {
      for (size_t i = 0; i < row.size(); ++i) {
        const bool last = i + 1 == row.size();
        out << (i == 0 ? "" : "  ") << std::left
            << std::setw(last ? 0 : static_cast<int>(widths_[i])) << row[i];
      }
      out << "\n";
    }
    return out.str();
  }

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> widths_;
};

std::string Arrow(const Graph& graph, const LayerNode& node) {
  const auto names = [&](const std::vector<int>& blobs) {
    std::vector<std::string> list;
    for (int blob : blobs) list.push_back(graph.blobs[blob].name);
    return Join(list);
  };
  return names(node.bottoms) + " -> " + names(node.tops);
}

std::string TopShapes(const Graph& graph, const LayerNode& node) {
  std::vector<std::string> shapes;
  for (int top : node.tops) shapes.push_back(Dims(graph.blobs[top].shape));
  return Join(shapes);
}

std::string ParamShapes(const Graph& graph, const LayerNode& node) {
  std::vector<std::string> shapes;
  for (int p : node.params) {
    const ParamNode& param = graph.params[p];
    std::string text = Dims(param.decl.shape);
    if (param.owner >= 0) text += " (shared '" + param.shared_name + "')";
    if (!param.decl.learned)
      text += " (statistics)";
    else if (param.lr_mult == 0)
      text += " (frozen)";
    shapes.push_back(text);
  }
  return shapes.empty() ? "-" : Join(shapes);
}

std::string Notes(const Graph& graph, const LayerNode& node, size_t layer) {
  std::vector<std::string> notes;
  if (node.absorbed_by >= 0) {
    return Concat("done by '", graph.layers[node.absorbed_by].layer->name(), "'");
  }
  for (int follower : node.absorbed) {
    notes.push_back(Concat("does '", graph.layers[follower].layer->name(), "' too"));
  }
  if (!node.tops.empty() && !node.bottoms.empty() && node.tops[0] == node.bottoms[0]) {
    notes.push_back("in place");
  }
  if (!node.tops.empty() && graph.blobs[node.tops[0]].shares_data_with >= 0) {
    notes.push_back("no copy");
  }
  for (int top : node.tops) {
    if (graph.blobs[top].loss_weight != 0) {
      notes.push_back(Concat("loss weight ", graph.blobs[top].loss_weight));
    }
  }
  if (node.parts > 1) {
    const int lanes = graph.slices[SlicesOf(graph, layer)].lanes;
    const std::string at_once = lanes > 1 ? Concat(", ", lanes, " at a time") : "";
    notes.push_back(Concat("runs for ", node.parts, " parts of the batch", at_once));
  }
  if (node.recomputes) notes.push_back("recomputed");
  if (!node.recompute_note.empty()) notes.push_back("not recomputed: " + node.recompute_note);
  if (!node.engine_note.empty()) notes.push_back(node.engine_note);
  return notes.empty() ? "-" : Join(notes);
}

std::string Bytes(size_t bytes) { return BytesToString(static_cast<double>(bytes)); }

// What the blobs that a layer makes, and its notes, take by themselves; "-" for views of others.
std::vector<std::string> BytesOf(const Graph& graph, const LayerNode& node, int layer) {
  size_t values = 0, gradients = 0, state = 0;
  for (int top : node.tops) {
    const BlobNode& blob = graph.blobs[top];
    if (blob.producer != layer || node.absorbed_by >= 0) continue;
    const size_t bytes = static_cast<size_t>(blob.shape.count()) * SizeOf(graph.dtype);
    const bool shares_diff =
        blob.shares_diff_with >= 0 && graph.blobs[blob.shares_diff_with].has_diff;
    if (blob.shares_data_with < 0) values += bytes;
    if (blob.has_diff && !shares_diff) gradients += bytes;
  }
  for (const LayerPlan::State& kept : node.plan.state) {
    state += static_cast<size_t>(kept.shape.count()) * SizeOf(kept.dtype.value_or(graph.dtype));
  }
  std::vector<std::string> cells;
  for (size_t bytes : {values, gradients, state}) cells.push_back(bytes == 0 ? "-" : Bytes(bytes));
  return cells;
}

std::string DescribeMemory(const NetMemory& memory) {
  return Concat("memory of a pass: ", Bytes(memory.arena + memory.kept), " for values (",
                Bytes(memory.data), "), gradients (", Bytes(memory.gradients), ") and scratch (",
                Bytes(memory.scratch), "); sharing saves ", Bytes(memory.Saved()), "\nlayer state ",
                Bytes(memory.state), ", parameters ", Bytes(memory.params), ", their gradients ",
                Bytes(memory.param_gradients), ", in all ", Bytes(memory.Total()), "\n");
}

}  // namespace

std::string DescribePlan(const Graph& graph, const NetMemory& memory, const std::string& device) {
  Table table;
  table.Row({"layer", "type", "engine", "layout", "bottoms -> tops", "top shapes", "parameters",
             "backward", "values", "gradients", "state", "notes"});
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    const std::vector<std::string> bytes = BytesOf(graph, node, static_cast<int>(l));
    table.Row({node.layer->name(), node.layer->type(), node.engine, ToString(node.layer->layout()),
               Arrow(graph, node), TopShapes(graph, node), ParamShapes(graph, node),
               node.runs_backward ? "yes" : "no", bytes[0], bytes[1], bytes[2],
               Notes(graph, node, l)});
  }
  int64_t learned = 0;
  double flops = 0;
  for (const ParamNode& param : graph.params) {
    if (param.owner < 0 && param.decl.learned) learned += param.decl.shape.count();
  }
  for (const LayerNode& node : graph.layers) flops += node.layer->ForwardFlops() * node.parts;
  TextStream out;
  out << "net '" << graph.name << "', phase " << (graph.phase == Phase::kTrain ? "TRAIN" : "TEST")
      << ", " << ToString(graph.dtype) << ", on the " << device << "\n"
      << table.ToString() << "outputs:";
  for (int output : graph.outputs) out << " " << graph.blobs[output].name;
  out << "\nlearned parameters: " << learned << "; forward pass: " << flops / 1e9 << " GFLOP\n"
      << DescribeMemory(memory);
  return out.str();
}

}  // namespace crema
