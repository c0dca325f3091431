// A network that is ready to run on one device.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crema/blob.h"
#include "crema/context.h"
#include "crema/dev/compile.h"
#include "crema/pass_observer.h"
#include "crema/weights_report.h"

namespace crema {

namespace proto {
class NetParameter;
}
class DebugInfo;
class GradientSums;
class LayerCaller;
class LayerStates;
class LifetimeCheck;
class NetBlobs;
class NetParameters;
class SliceRunner;

// What may be decided about a net that runs, beside its text.
struct NetOptions : CompileOptions {
  uint64_t seed = 1;
  Rank rank;  // of several nets that train together
  // Parameters of layers with equal names and shapes are those of this net, which must live as
  // long as the new one.
  const class Net* share_params_with = nullptr;
  // Works in the memory of this net, on the same device, which grows if it is too small. A pass
  // of one net, forward and backward, then ends before a pass of the other begins.
  const class Net* share_memory_with = nullptr;
  // For tests: fills memory with NaNs as soon as nobody should read it any more.
  bool check_memory = false;
};

// Everything is decided in the constructor; Forward and Backward then only run kernels. A Net is
// used by one thread at a time. Two nets, on one device or on two, do not know of each other
// unless they share parameters or memory. What it returns by reference belongs to the net and
// stays at its address as long as the net lives.
class Net {
 public:
  // `config` is in the current format (see schema/upgrade.h); its state chooses the layers by
  // their include and exclude rules. Throws Error if the net makes no sense, cannot share what the
  // options ask for, or needs more memory than there is.
  Net(const proto::NetParameter& config, std::shared_ptr<Device> device,
      const NetOptions& options = {});
  // To be called before the nets end whose parameters it shares. Layers that write a file finish
  // it.
  ~Net();
  Net(const Net&) = delete;             // parameters have one owner; see share_params_with
  Net& operator=(const Net&) = delete;  // likewise

  // As in the net's text; may be empty.
  const std::string& name() const { return graph_.name; }
  // Which layers were chosen, and how those behave that differ between training and testing.
  Phase phase() const { return graph_.phase; }
  // The compiled net: its layers, in the order in which they run, blobs and parameters. Shapes are
  // those of now.
  const Graph& graph() const { return graph_; }
  // The device of the net, and the step of its random numbers.
  Context& context() { return *context_; }

  // One pass over all layers. `step` is the root of the pass's random numbers: equal steps drop
  // the same units. Inputs are zeros until somebody sets them. On a GPU it only queues work. Throws
  // Error if a layer fails; the next pass may succeed.
  void Forward(uint64_t step, PassObserver* observer = nullptr);
  // After Forward: adds to the parameters' gradients, and computes those of blobs. Throws as
  // Forward does.
  void Backward(PassObserver* observer = nullptr);
  // For the next Backward to begin with; until then they may still hold what they held.
  void ClearGradients();

  // The same layer by layer, for who wants to look in between; layers are numbered in the order of
  // graph().layers. BeginPass comes first; the debug info is not logged. Throws Error if there is
  // no such layer. BeginPass is the host's part of a pass: on a GPU, what follows can be captured
  // (Device::BeginCapture) and replayed after each BeginPass, if no layer works on the host.
  void BeginPass(uint64_t step);
  // Does nothing for a layer whose work another one does (LayerNode::absorbed_by). Throws Error if
  // the layer takes a part of the batch at a time (graph().slices).
  void ForwardLayer(int i);
  // Does nothing for a layer that does not run backward.
  void BackwardLayer(int i);

  // The first layer of that name; nullptr if there is none.
  Layer* FindLayer(const std::string& name) const;

  // The weighted sum of the losses of the last Forward, a scalar on the device.
  const Tensor& loss() const { return loss_; }
  // Throws Error if a layer found its input wrong (a label out of range). Waits for the device.
  void CheckAfterForward();

  // A blob by its index in graph().blobs, which must be in range. Whose values may be read after a
  // pass: see CompileOptions::keep_blobs; one between layers that take a part of the batch has
  // memory for a part, see slice_bytes there, and holds any.
  Blob& blob(int i) const;
  // A blob by its name: nullptr if there is none, also because layers were fused; the last one if
  // layers in place made several of one name, or the input.
  Blob* FindBlob(const std::string& name) const;

  // Gives blobs made by Input layers other shapes, by name, and plans the whole net for them; the
  // parameters stay. Memory is kept where the new sizes fit into it, and what it held is lost: set
  // the inputs anew. Throws Error if a name is not that of an input, or a layer cannot take the
  // sizes (an InnerProduct, mostly), or memory runs out; the net is then as it was.
  void Reshape(const std::map<std::string, Shape>& inputs);

  // A parameter by its index in graph().params, which must be in range.
  Blob& param(int i) const;
  // The values of all parameters that this net owns, in one buffer of one axis, in the net's order;
  // each begins at a multiple of kParamBlock elements.
  const Tensor& flat_params() const;
  // Their gradients, each at the same place; 0 elements if the net computes none.
  const Tensor& flat_gradients() const;

  // Copies the weights of a `.caffemodel` by layer name. Throws Error if shapes differ, or the
  // file cannot be read.
  WeightsReport LoadWeights(const std::string& path);
  // The net with its weights (and gradients), as Caffe stores it. Waits for the device.
  void ToProto(proto::NetParameter* out, bool with_gradients) const;

  // Records used so far by each layer that reads a source, by layer name; by all ranks together.
  std::vector<std::pair<std::string, uint64_t>> DataPositions() const;
  // Goes on from there, at any time. Layers that are not named stay where they are.
  void SeekData(const std::vector<std::pair<std::string, uint64_t>>& positions);
  // DataPositions as they were that many forward passes ago.
  std::vector<std::pair<std::string, uint64_t>> DataPositionsBefore(uint64_t passes) const;
  // SeekData to where each layer would be after `passes` forward passes.
  void SeekPasses(uint64_t passes);
  // How long all passes so far have waited for data; none if no layer reads ahead.
  std::optional<double> WaitedSeconds() const;

  // Logs the mean magnitude of all that the passes compute, in Caffe's words; each waits for the
  // device. Without a call, it is as the net's file says. Layers that take a part of the batch are
  // left out; if the file asks for the log, there are none.
  void SetDebugInfo(bool on) { logs_debug_info_ = on; }

  // What layers carry from one pass to the next, by layer name: views of it.
  std::vector<std::pair<std::string, std::vector<Tensor>>> CarriedStates() const;

  // The compiled plan for people to read, several lines.
  std::string Describe() const;

  // What the net takes on the device, as of the last change of its shapes.
  const NetMemory& memory() const { return memory_; }

 private:
  // Throws Error if there is no device, or what is to be shared is on another one.
  static void CheckDevices(const std::string& name, const std::shared_ptr<Device>& device,
                           const NetOptions& options);
  void MakeParts(const NetOptions& options);
  void AdoptShapes();                    // finds memory for the graph's shapes, and moves there
  void BindLayers();                     // whenever they were planned
  void AdaptToData(int layer);           // for LayerTraits::shapes_depend_on_data
  void AddLosses(int layer);             // of its tops, to loss_
  void StartGradientsOfTops(int layer);  // those that no reader sends, or that are a loss's

  std::unique_ptr<Context> context_;
  int threads_;
  Graph graph_;
  NetMemory memory_;
  Tensor loss_;
  // Each has its header in src/net/run.
  std::unique_ptr<NetParameters> parameters_;
  std::unique_ptr<GradientSums> gradient_sums_;
  std::unique_ptr<NetBlobs> blobs_;
  std::unique_ptr<LayerStates> states_;
  std::unique_ptr<LifetimeCheck> lifetime_check_;
  std::unique_ptr<LayerCaller> layer_caller_;
  std::unique_ptr<SliceRunner> slice_runner_;
  std::unique_ptr<DebugInfo> debug_info_;
  bool logs_debug_info_;
};

}  // namespace crema
