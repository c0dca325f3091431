// A compiled net in words, for `crema show` and for logs.
#include "net/describe.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "base/counted.h"
#include "base/numbers.h"
#include "base/strings.h"
#include "net/passes.h"
#include "net/text_table.h"

namespace crema {
namespace {

std::string Dims(const Shape& shape) {
  std::vector<std::string> dims;
  for (int64_t dim : shape.dims()) dims.push_back(std::to_string(dim));
  return dims.empty() ? "scalar" : Join(dims, "x");
}

// All of a few, the first of many: a column is as wide as its widest cell.
std::string ListSome(std::vector<std::string> texts) {
  constexpr size_t kMost = 16;
  if (texts.size() <= kMost) return Join(texts);
  const std::string count = Concat("... (", texts.size(), " in all)");
  texts.resize(kMost);
  texts.push_back(count);
  return Join(texts);
}

std::string Arrow(const Graph& graph, const LayerNode& node) {
  const auto names = [&](const std::vector<int>& blobs) {
    std::vector<std::string> list;
    for (int blob : blobs) list.push_back(graph.blobs[blob].name);
    return ListSome(std::move(list));
  };
  return names(node.bottoms) + " -> " + names(node.tops);
}

std::string TopShapes(const Graph& graph, const LayerNode& node) {
  std::vector<std::string> shapes;
  for (int top : node.tops) shapes.push_back(Dims(graph.blobs[top].shape));
  return ListSome(std::move(shapes));
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
  return shapes.empty() ? "-" : ListSome(std::move(shapes));
}

std::vector<std::string> Notes(const Graph& graph, size_t layer) {
  const LayerNode& node = graph.layers[layer];
  std::vector<std::string> notes;
  if (node.absorbed_by >= 0) {
    return {Concat("done by '", graph.layers[node.absorbed_by].layer->name(), "'")};
  }
  for (int consumer : node.absorbed) {
    notes.push_back(Concat("does '", graph.layers[consumer].layer->name(), "' too"));
  }
  if (RunsInPlace(node)) notes.push_back("in place");
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
    notes.push_back(Concat("runs in ", node.parts, " parts", at_once));
  }
  if (node.recomputes) notes.push_back("recomputed");
  if (!node.recompute_note.empty()) notes.push_back("not recomputed: " + node.recompute_note);
  if (!node.engine_note.empty()) notes.push_back(node.engine_note);
  return notes;
}

std::string Bytes(size_t bytes) { return BytesToString(static_cast<double>(bytes)); }

struct LayerMemory {
  size_t values = 0, gradients = 0, state = 0;
  size_t Total() const { return values + gradients + state; }
};

// What the blobs that a layer makes, and what it keeps, take by themselves; none for views of
// others.
LayerMemory MemoryOfLayer(const Graph& graph, size_t layer) {
  const LayerNode& node = graph.layers[layer];
  LayerMemory memory;
  for (int top : node.tops) {
    const BlobNode& blob = graph.blobs[top];
    if (blob.producer != static_cast<int>(layer) || node.absorbed_by >= 0) continue;
    const auto bytes = static_cast<size_t>(BytesOf(blob));
    const bool shares_diff =
        blob.shares_diff_with >= 0 && graph.blobs[blob.shares_diff_with].has_diff;
    if (blob.shares_data_with < 0) memory.values += bytes;
    if (blob.has_diff && !shares_diff) memory.gradients += bytes;
  }
  for (const TensorSpec& kept : node.plan.state) {
    memory.state += static_cast<size_t>(BytesOf(kept, graph.dtype));
  }
  return memory;
}

std::string BytesOrDash(size_t bytes) { return bytes == 0 ? "-" : Bytes(bytes); }

// 431080 -> "431 k".
std::string ShortCount(double count) {
  const char* const units[] = {"", " k", " M", " G", " T", " P"};
  int unit = 0;
  while (count >= (unit == 0 ? 1000 : 999.5) && unit < 5) {
    count /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || count >= 99.95 ? 0 : count >= 9.995 ? 1 : 2;
  return FixedText(count, decimals) + units[unit];
}

std::string CountOrDash(double count) { return count == 0 ? "-" : ShortCount(count); }

int64_t LearnedOf(const ParamNode& param) {
  return param.owner < 0 && param.decl.learned ? param.decl.shape.count() : 0;
}

int64_t LearnedOf(const Graph& graph) {
  int64_t learned = 0;
  for (const ParamNode& param : graph.params) learned += LearnedOf(param);
  return learned;
}

double FlopsOf(const LayerNode& node) { return node.layer->ForwardFlops() * node.parts; }

double FlopsOf(const Graph& graph) {
  double flops = 0;
  for (const LayerNode& node : graph.layers) flops += FlopsOf(node);
  return flops;
}

const char* PhaseName(const Graph& graph) {
  return graph.phase == Phase::kTrain ? "TRAIN" : "TEST";
}

// "64x10, 64"; of a layer such as Split, whose tops are alike, "64x10 (2 times)".
std::string ShortShapes(const Graph& graph, const LayerNode& node) {
  const auto shape = [&](int top) -> const Shape& { return graph.blobs[top].shape; };
  const size_t count = node.tops.size();
  for (int top : node.tops) {
    if (count < 2 || shape(top) != shape(node.tops[0])) return TopShapes(graph, node);
  }
  if (count == 0) return "-";
  return Concat(Dims(shape(node.tops[0])), " (", count, " times)");
}

std::string HostPart(const NetMemory& memory) {
  return memory.host == 0 ? "" : Concat(", data and lists ", Bytes(memory.host));
}

std::string DescribeMemory(const NetMemory& memory) {
  return Concat("memory per pass: ", Bytes(memory.arena + memory.kept), " for values (",
                Bytes(memory.data), "), gradients (", Bytes(memory.gradients), ") and scratch (",
                Bytes(memory.scratch), "); sharing saves ", Bytes(memory.Saved()), "\nlayer state ",
                Bytes(memory.state), ", parameters ", Bytes(memory.params),
                ", parameter gradients ", Bytes(memory.param_gradients), HostPart(memory),
                ", total ", Bytes(memory.Total()), "\n");
}

std::string DescribeOutputs(const Graph& graph) {
  std::string text = "outputs:";
  for (int output : graph.outputs) text += " " + graph.blobs[output].name;
  return text + "\n";
}

std::vector<std::string> LayerRow(const Graph& graph, size_t layer) {
  const LayerNode& node = graph.layers[layer];
  int64_t learned = 0;
  for (int p : node.params) learned += LearnedOf(graph.params[p]);
  return {node.layer->name(),
          node.layer->type(),
          ShortShapes(graph, node),
          CountOrDash(static_cast<double>(learned)),
          CountOrDash(FlopsOf(node) / 2),
          BytesOrDash(MemoryOfLayer(graph, layer).Total())};
}

}  // namespace

std::string DescribeLayers(const Graph& graph, size_t width) {
  TextTable table;
  table.Row({"layer", "type", "output", "parameters", "mult-adds", "memory"});
  size_t bytes = 0;
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    table.Row(LayerRow(graph, l));
    bytes += MemoryOfLayer(graph, l).Total();
  }
  table.Row({"sum", "", "", ShortCount(static_cast<double>(LearnedOf(graph))),
             ShortCount(FlopsOf(graph) / 2), Bytes(bytes)});
  table.Note("The sums count learned parameters (shared ones once), the multiply-adds of one");
  table.Note("forward pass, and outputs, gradients and layer state as if none shared memory.");
  for (const size_t column : {3, 4, 5}) table.AlignRight(column);
  table.Shrink(0, 15, width);  // names first, which say much in few letters
  table.Shrink(2, 14, width);
  table.Shrink(1, 10, width);
  return table.ToString();
}

std::string DescribeEngines(const Graph& graph, size_t width) {
  TextTable table;
  table.Row({"layer", "type", "engine", "memory order"});
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    table.Row({node.layer->name(), node.layer->type(), node.engine, ToString(node.layout)});
    for (const std::string& note : Notes(graph, l)) table.Note("  - " + note);
  }
  table.Shrink(0, 15, width);
  table.Shrink(1, 10, width);
  return table.ToString();
}

std::string DescribeTotals(const Graph& graph, const NetMemory& memory) {
  TextTable parts;
  parts.AlignRight(1);
  const auto part = [&](size_t bytes, const std::string& what) {
    parts.Row({"", Bytes(bytes), what});
  };
  const std::string block = Bytes(kParamBlock * SizeOf(graph.dtype));
  part(memory.params, "parameters, each in whole blocks of " + block);
  part(memory.param_gradients, "gradients of the parameters");
  part(memory.state, "state of the layers");
  if (memory.host > 0) part(memory.host, "data and lists that layers keep");
  part(memory.arena + memory.kept, "for a pass:");
  parts.Note(Concat("            values ", Bytes(memory.data), " + gradients ",
                    Bytes(memory.gradients), " + scratch ", Bytes(memory.scratch)));
  if (memory.Saved() > 0) {
    parts.Note(Concat("            - ", Bytes(memory.Saved()),
                      ", because what is not needed at once shares memory"));
  }
  return Concat(DescribeOutputs(graph), "learned parameters: ", LearnedOf(graph),
                "\nmultiply-adds of a forward pass: ", ShortCount(FlopsOf(graph) / 2),
                "\nmemory: ", Bytes(memory.Total()), ", the sum of\n", parts.ToString());
}

std::string DescribeBriefly(const Graph& graph, const NetMemory& memory, size_t their_arena) {
  const auto recomputed = std::count_if(graph.layers.begin(), graph.layers.end(),
                                        [](const LayerNode& node) { return node.recomputes; });
  const std::string size = Concat("net '", graph.name, "', phase ", PhaseName(graph), ": ",
                                  Counted(graph.layers.size(), "layer"),
                                  recomputed > 0 ? Concat(" (", recomputed, " recomputed)") : "",
                                  ", ", Counted(LearnedOf(graph), "learned parameter"), ", ",
                                  ShortCount(FlopsOf(graph) / 2), " multiply-adds per pass, ");
  if (their_arena == 0) {
    return Concat(size, "memory ", Bytes(memory.Total()), " (parameters ", Bytes(memory.params),
                  ", parameter gradients ", Bytes(memory.param_gradients), ", layer state ",
                  Bytes(memory.state), HostPart(memory), ", per pass ",
                  Bytes(memory.arena + memory.kept), ")");
  }
  const size_t shared = std::min(their_arena, memory.arena);
  return Concat(size, "memory ", Bytes(memory.Total() - shared), " in addition to the ",
                Bytes(shared), " per pass and the parameters, shared with the training net");
}

std::string DescribePlan(const Graph& graph, const NetMemory& memory, const std::string& device) {
  TextTable table;
  table.Row({"layer", "type", "engine", "layout", "bottoms -> tops", "top shapes", "parameters",
             "backward", "values", "gradients", "state", "notes"});
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    const LayerMemory bytes = MemoryOfLayer(graph, l);
    const std::vector<std::string> notes = Notes(graph, l);
    table.Row({node.layer->name(), node.layer->type(), node.engine, ToString(node.layout),
               Arrow(graph, node), TopShapes(graph, node), ParamShapes(graph, node),
               node.runs_backward ? "yes" : "no", BytesOrDash(bytes.values),
               BytesOrDash(bytes.gradients), BytesOrDash(bytes.state),
               notes.empty() ? "-" : ListSome(notes)});
  }
  TextStream out;
  out << "net '" << graph.name << "', phase " << PhaseName(graph) << ", " << ToString(graph.dtype)
      << ", on the " << device << "\n"
      << table.ToString() << DescribeOutputs(graph) << "learned parameters: " << LearnedOf(graph)
      << "; forward pass: " << FlopsOf(graph) / 1e9 << " GFLOP\n"
      << DescribeMemory(memory);
  return out.str();
}

}  // namespace crema
