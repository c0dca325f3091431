// The compiled plan in words, for `crema show`.
#include <algorithm>
#include <iomanip>
#include <sstream>

#include "base/strings.h"
#include "crema/net/net.h"

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
    std::ostringstream out;
    for (const auto& row : rows_) {
      for (size_t i = 0; i < row.size(); ++i) {
        const bool last = i + 1 == row.size();
        out << (i == 0 ? "" : "  ") << std::left << std::setw(last ? 0 : static_cast<int>(widths_[i]))
            << row[i];
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
    if (!param.decl.learned) text += " (statistics)";
    else if (param.lr_mult == 0) text += " (frozen)";
    shapes.push_back(text);
  }
  return shapes.empty() ? "-" : Join(shapes);
}

std::string Notes(const Graph& graph, const LayerNode& node) {
  std::vector<std::string> notes;
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
  return notes.empty() ? "-" : Join(notes);
}

}  // namespace

std::string Net::Describe() const {
  Table table;
  table.Row({"layer", "type", "engine", "layout", "bottoms -> tops", "top shapes", "parameters",
             "backward", "notes"});
  for (const LayerNode& node : graph_.layers) {
    const Layout layout =
        node.tops.empty() ? Layout::kPlain : blobs_[node.tops[0]]->layout();
    table.Row({node.layer->name(), node.layer->type(), "CAFFE", crema::ToString(layout),
               Arrow(graph_, node), TopShapes(graph_, node), ParamShapes(graph_, node),
               node.runs_backward ? "yes" : "no", Notes(graph_, node)});
  }
  int64_t learned = 0;
  double flops = 0;
  for (const ParamNode& param : graph_.params) {
    if (param.owner < 0 && param.decl.learned) learned += param.decl.shape.count();
  }
  for (const LayerNode& node : graph_.layers) flops += node.layer->ForwardFlops();
  std::ostringstream out;
  out << "net '" << graph_.name << "', phase " << (graph_.phase == Phase::kTrain ? "TRAIN" : "TEST")
      << ", " << crema::ToString(graph_.dtype) << ", on the " << context_->device().name() << "\n"
      << table.ToString() << "outputs:";
  for (int output : graph_.outputs) out << " " << graph_.blobs[output].name;
  out << "\nlearned parameters: " << learned << "; forward pass: " << flops / 1e9 << " GFLOP\n"
      << "memory: values " << BytesToString(static_cast<double>(memory_.data)) << ", gradients "
      << BytesToString(static_cast<double>(memory_.gradients)) << ", parameters "
      << BytesToString(static_cast<double>(memory_.params)) << ", their gradients "
      << BytesToString(static_cast<double>(memory_.param_gradients)) << ", layer state "
      << BytesToString(static_cast<double>(memory_.state)) << ", scratch "
      << BytesToString(static_cast<double>(memory_.scratch)) << ", total "
      << BytesToString(static_cast<double>(memory_.Total())) << "\n";
  return out.str();
}

}  // namespace crema
