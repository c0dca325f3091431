// A net between its text and its run: layers, the blobs that connect them, and their parameters.
// The passes of src/net fill it step by step; `crema show` prints it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crema/dev/layer.h"

namespace crema {

class PlanCache;

struct BlobNode {
  std::string name;
  Shape shape;
  DType dtype = DType::kFloat32;  // of its values; a gradient is only there for floating-point ones
  Layout layout = Layout::kPlain;
  int producer = -1;  // index of the layer that makes it first
  bool needs_gradient = false;
  float loss_weight = 0;      // its share in the net's loss, as printed
  bool is_output = false;     // nobody's bottom: printed as a result
  int shares_data_with = -1;  // index of an earlier blob whose memory holds the same values
  int shares_diff_with = -1;
  bool has_diff = false;  // it has memory for a gradient
  bool is_part = false;   // holds the images of one run of its layers only; see Slices
};

// One parameter blob of one layer. Parameters with the same `param { name }` have one owner.
struct ParamNode {
  int layer = -1, index = 0;  // the index-th parameter of that layer
  std::string shared_name;    // "" where it has none
  int owner = -1;             // index of the node whose memory it uses; -1: its own
  ParamDecl decl;
  float lr_mult = 1, decay_mult = 1;
  bool wants_gradient = true;
};

// One layer: what it is, what it was planned for, and what the passes have decided about it.
struct LayerNode {
  std::unique_ptr<Layer> layer;
  std::string engine = "CAFFE";  // as EngineEntry::Title has it
  std::string engine_note;       // why not another one; "" where there is nothing to say
  LayerTraits traits;
  // How its bottoms and tops of three or more axes are stored.
  Layout layout = Layout::kPlain;
  PlanInput planned;  // what `plan` was made for
  // For how many threads; 0: a later Plan has failed, and the layer must be planned again.
  int planned_threads = 0;
  LayerPlan plan;
  std::vector<int> bottoms, tops;  // indices of blobs
  std::vector<int> params;         // indices of params
  // One a bottom. Before mark_backward.cpp, this and `runs_backward` tell what may come.
  std::vector<bool> propagate_down;
  // One a top: its share in the net's loss, and whether its gradient begins as that share. In
  // place the layers of one blob each have their own; a gradient that a reader sends comes first.
  std::vector<float> loss_weights;
  std::vector<bool> starts_gradient;
  bool runs_backward = false;
  bool made_by_pass = false;  // not in the net's text, nor in files of weights
  // Fusion: who does this layer's work, and whose work it does, in their order.
  int absorbed_by = -1;
  std::vector<int> absorbed;
  std::vector<int> between;    // the blobs that they would have handed over
  bool recomputes = false;     // its tops are computed again for the backward pass
  std::string recompute_note;  // why not, where that was wished; or ""
  int parts = 1;               // how often it runs in a forward pass; see Slices
};

// Layers that run one after another for the first images of a batch, then for the next ones, and
// so on: what lies between them stays in the processor's caches. With several lanes, each is run by
// one thread, which takes the next part whenever it has done one.
struct Slices {
  size_t first = 0, last = 0;  // layers: from the first to before the last
  int count = 1;               // of the parts that the batch is cut into
  int lanes = 1;
  std::vector<int> whole;  // blobs of all images, which the layers see a part of at a time
};

// The whole net, without memory. It owns the layers. Indices in it count from 0; -1 is none.
struct Graph {
  std::string name;
  Phase phase = Phase::kTrain;
  DeviceKind device = DeviceKind::kCpu;
  DType dtype = DType::kFloat32;  // of parameters, and of blobs whose layers say nothing else
  bool keep_blobs = false;        // see CompileOptions
  // See CompileOptions; 0 bytes where the net may not be sliced.
  int64_t slice_bytes = 0;
  int processors = 1;
  std::vector<LayerNode> layers;
  std::vector<BlobNode> blobs;
  std::vector<ParamNode> params;
  std::vector<int> outputs;  // blobs, sorted by name
  std::vector<Slices> slices;
  // Plans of layers for shapes that the net had before, see src/net/plan_cache.h.
  std::shared_ptr<PlanCache> plan_cache;
};

}  // namespace crema
