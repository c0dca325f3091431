// Splits of blobs that several layers read.
#include <map>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "net/passes.h"

namespace crema {
namespace {

constexpr char kSplit[] = "Split", kEnding[] = "_split";

bool EndsAsSplit(const std::string& name) {
  const std::string ending = kEnding;
  return name.size() > ending.size() &&
         name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
}

// One value of a blob: the `top`-th top of layer `layer`. A blob that a layer changes in place
// has several values under one name.
struct Value {
  int layer, top;
  bool operator<(const Value& other) const {
    return layer != other.layer ? layer < other.layer : top < other.top;
  }
};

class SplitInserter {
 public:
  explicit SplitInserter(const proto::NetParameter& net) : net_(net) {}

  proto::NetParameter Run() {
    CountReaders();
    proto::NetParameter out = net_;
    out.clear_layer();
    for (int i = 0; i < net_.layer_size(); ++i) AppendLayer(i, &out);
    return out;
  }

 private:
  void CountReaders() {
    std::map<std::string, Value> latest;
    sources_.resize(net_.layer_size());
    for (int i = 0; i < net_.layer_size(); ++i) {
      const proto::LayerParameter& layer = net_.layer(i);
      for (const std::string& bottom : layer.bottom()) {
        const auto it = latest.find(bottom);
        if (it == latest.end()) FailUnknownBottom(layer, bottom, latest);
        sources_[i].push_back(it->second);
        ++readers_[it->second];
      }
      for (int t = 0; t < layer.top_size(); ++t) latest[layer.top(t)] = {i, t};
      // A loss weight counts as a reader: the split then carries it.
      for (int t = 0; t < std::min(layer.loss_weight_size(), layer.top_size()); ++t) {
        if (layer.loss_weight(t) == 0) continue;
        loss_weight_[{i, t}] = layer.loss_weight(t);
        ++readers_[{i, t}];
      }
    }
  }

  [[noreturn]] static void FailUnknownBottom(const proto::LayerParameter& layer,
                                             const std::string& bottom,
                                             const std::map<std::string, Value>& known) {
    std::vector<std::string> names;
    for (const auto& entry : known) names.push_back(entry.first);
    const std::string near = Nearest(bottom, names);
    Fail(InLayer(layer.name(), layer.type()), ": no layer above produces its bottom '", bottom, "'",
         near.empty()
             ? "; check the name, and that the layer that produces it is not excluded in this phase"
             : "; did you mean '" + near + "'?");
  }

  std::string SplitName(const Value& value) const {
    const proto::LayerParameter& layer = net_.layer(value.layer);
    return Concat(layer.top(value.top), "_", layer.name(), "_", value.top, kEnding);
  }

  void AppendLayer(int i, proto::NetParameter* out) {
    const int at = out->layer_size();
    *out->add_layer() = net_.layer(i);
    for (int b = 0; b < net_.layer(i).bottom_size(); ++b) {
      const Value source = sources_[i][b];
      if (readers_[source] < 2) continue;
      out->mutable_layer(at)->set_bottom(b, Concat(SplitName(source), "_", next_reader_[source]++));
    }
    for (int t = 0; t < net_.layer(i).top_size(); ++t) {
      if (readers_[{i, t}] < 2) continue;
      const bool took_loss_weight = AppendSplit({i, t}, out);
      // Zero rather than absent, so that a loss layer does not fall back to its weight of 1.
      if (took_loss_weight) out->mutable_layer(at)->set_loss_weight(t, 0);
    }
  }

  // Returns whether the split took over a loss weight.
  bool AppendSplit(const Value& value, proto::NetParameter* out) {
    const auto weight = loss_weight_.find(value);
    const bool has_weight = weight != loss_weight_.end();
    proto::LayerParameter* split = out->add_layer();
    split->set_name(SplitName(value));
    split->set_type(kSplit);
    split->add_bottom(net_.layer(value.layer).top(value.top));
    for (int k = 0; k < readers_[value]; ++k) {
      split->add_top(Concat(split->name(), "_", k));
      if (has_weight) split->add_loss_weight(k == 0 ? weight->second : 0);
    }
    if (has_weight) ++next_reader_[value];
    return has_weight;
  }

  const proto::NetParameter& net_;
  std::vector<std::vector<Value>> sources_;  // by layer and bottom
  std::map<Value, int> readers_, next_reader_;
  std::map<Value, float> loss_weight_;
};

}  // namespace

proto::NetParameter InsertSplits(const proto::NetParameter& net) {
  return SplitInserter(net).Run();
}

std::string NameInText(const Graph& graph, int blob) {
  std::string name = NameWithoutLayout(graph.blobs[blob].name);
  const size_t end = name.rfind('_');
  if (end == std::string::npos) return name;
  const std::string split = name.substr(0, end);
  for (const LayerNode& node : graph.layers) {
    const proto::LayerParameter& config = node.layer->config();
    if (config.name() != split || config.type() != kSplit || config.bottom_size() != 1) continue;
    const std::string& copied = config.bottom(0);
    const bool is_inserted = split.rfind(copied + "_", 0) == 0 && EndsAsSplit(split);
    if (is_inserted) return copied;
  }
  return name;
}

}  // namespace crema
