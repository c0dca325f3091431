// A network that is ready to run on one device.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crema/device/context.h"
#include "crema/net/compile.h"
#include "crema/tensor/blob.h"

namespace crema {

namespace proto {
class NetParameter;
}
struct Arena;
struct MemoryPlan;
struct Place;

struct NetOptions : CompileOptions {
  uint64_t seed = 1;
  // Parameters of layers with equal names and shapes are those of this net, which must live as
  // long as the new one.
  const class Net* share_params_with = nullptr;
  // Works in the memory of this net, on the same device, which grows where it is too small. A pass
  // of one net, forward and backward, then ends before a pass of the other begins.
  const class Net* share_memory_with = nullptr;
  // For tests: fills memory with NaNs as soon as nobody should read it any more.
  bool check_memory = false;
};

// What happened to the weights of a file.
struct WeightsReport {
  std::vector<std::string> copied;    // "conv1 (20 1 5 5; 20)"
  std::vector<std::string> skipped;   // in the file, but the net has no such layer
  std::vector<std::string> left_out;  // learned layers of the net that the file does not have
  // The three lists as a table of several lines.
  std::string ToString() const;
};

// Told when layers run, for timing: by the thread that runs them, and that alone has that lane.
class ForwardWatch {
 public:
  virtual ~ForwardWatch() = default;
  virtual void Before(int layer, int lane) = 0;
  virtual void After(int layer, int lane) = 0;
};

// Everything is decided in the constructor; Forward and Backward then only run kernels. A Net is
// used by one thread at a time. Two nets, on one device or on two, do not know of each other
// unless they share parameters.
class Net {
 public:
  // `config` is in the current format (see schema/upgrade.h); its state chooses the layers by
  // their include and exclude rules. Throws Error where the net makes no sense.
  Net(const proto::NetParameter& config, std::shared_ptr<Device> device,
      const NetOptions& options = {});
  ~Net();
  Net(const Net&) = delete;
  Net& operator=(const Net&) = delete;

  const std::string& name() const { return graph_.name; }
  Phase phase() const { return graph_.phase; }
  const Graph& graph() const { return graph_; }
  Context& context() { return *context_; }

  // One pass over all layers. `step` is the root of the pass's random numbers: equal steps drop
  // the same units.
  void Forward(uint64_t step, ForwardWatch* watch = nullptr);
  // Adds to the parameters' gradients.
  void Backward();
  // For the next Backward to begin with; until then they may still hold what they held.
  void ClearGradients();
  // The same layer by layer, for who wants to look in between; layers are numbered in the order of
  // graph().layers. BeginPass comes first. Forward not where the batch is cut (graph().slices).
  void BeginPass(uint64_t step);
  void ForwardLayer(int i);
  void BackwardLayer(int i);

  // The first layer of that name; nullptr where there is none.
  Layer* FindLayer(const std::string& name) const;

  // The weighted sum of the losses of the last Forward, a scalar on the device.
  const Tensor& loss() const { return loss_; }
  // Throws Error where a layer found its input wrong (a label out of range). Waits for the device.
  void CheckAfterForward();

  // Blobs by their index in graph().blobs, and by name (nullptr where there is none, also because
  // layers were fused; the last where layers in place made several of one name, or the input).
  // Whose values may be read after a pass: see CompileOptions::keep_blobs; one between layers that
  // take a part of the batch has room for a part, see slice_bytes there, and holds any.
  Blob& blob(int i) const { return *blobs_[i]; }
  Blob* FindBlob(const std::string& name) const;

  // Gives blobs made by Input layers other shapes, by name, and plans the whole net for them; the
  // parameters stay. Memory is kept where the new sizes fit into it, and what it held is lost: set
  // the inputs anew. Throws Error where a name is not that of an input, or a layer cannot take the
  // sizes (an InnerProduct, mostly), or where memory runs out; the net is then as it was.
  void Reshape(const std::map<std::string, Shape>& inputs);

  // Parameters by their index in graph().params.
  Blob& param(int i) const { return *params_[i]; }
  // All parameters that this net owns, in one buffer, in the net's order.
  const Tensor& flat_params() const { return flat_params_; }
  const Tensor& flat_gradients() const { return flat_gradients_; }

  // Copies the weights of a `.caffemodel` by layer name. Throws Error where shapes differ.
  WeightsReport LoadWeights(const std::string& path);
  // The net with its weights (and gradients), as Caffe stores it.
  void ToProto(proto::NetParameter* out, bool with_gradients) const;

  // Records used so far by each layer that reads a source, by layer name.
  std::vector<std::pair<std::string, uint64_t>> DataPositions() const;
  // Goes on from there, at any time. Layers that are not named stay where they are.
  void SeekData(const std::vector<std::pair<std::string, uint64_t>>& positions);

  // DataPositions as they were that many forward passes ago.
  std::vector<std::pair<std::string, uint64_t>> DataPositionsBefore(uint64_t passes) const;

  // The same, to where each would be after `passes` forward passes.
  void SeekPasses(uint64_t passes);

  // Logs the mean magnitude of all that the passes compute, in Caffe's words; each waits for the
  // device. Without a call, it is as the net's file says. Layers that take a part of the batch are
  // left out; where the file wishes it, there are none.
  void SetDebugInfo(bool on) { debug_info_ = on; }

  // What layers carry from one pass to the next, by layer name: views of it.
  std::vector<std::pair<std::string, std::vector<Tensor>>> CarriedStates() const;

  // How long all passes so far have waited for data; none where no layer reads ahead.
  std::optional<double> WaitedSeconds() const;

  // The compiled plan for people to read, several lines.
  std::string Describe() const;

  const NetMemory& memory() const { return memory_; }

 private:
  void LogInputs() const;
  void LogForward(int layer) const;
  void LogBackward(int layer) const;
  void LogParameterNorms() const;
  struct State {
    Tensor tensor;
    size_t offset, room;  // in its buffer, bytes
  };
  using States = std::vector<std::vector<State>>;  // by layer
  // The memory that a plan asks for, found before anything is changed.
  struct Room {
    std::unique_ptr<MemoryPlan> plan;
    std::shared_ptr<Buffer> kept;
    std::optional<States> states;  // none: those that are there
  };
  Room FindRoom();
  void MoveIn(Room room);
  void StayHere();
  void GrowArena(size_t bytes);
  void LeaveArena();
  void FollowArena();
  void CountMemory();
  void ViewBlobs();
  Tensor View(const Place& place, const BlobNode& blob) const;
  void Recompute(int i);
  void LendScratch(const Place& place, Context* context, int64_t base = 0);
  void LeaveStep(int step);
  void InferAgain(const std::vector<Shape>& shapes);
  void ConnectLayers();
  struct Lane;
  void MakeLanes();
  void ConnectLane(size_t slices, Lane* lane);
  void ViewLanes();
  int64_t LaneBase(size_t slices, size_t lane) const;
  void ShowPart(size_t slices, int part, size_t lane);
  void RunLayer(int i, Context* context, const BlobList& bottoms, const BlobList& tops,
                int64_t base);
  void RunPart(size_t slices, int part, int lane, ForwardWatch* watch);
  void RunSlices(size_t slices, ForwardWatch* watch);
  void LeaveLaneStep(size_t slices, size_t lane, int step);
  void FollowData(int layer);
  void CheckCanShare(const Net& other) const;
  void AllocateParams(const Net* other);
  void FillParams();
  void PlanClearing();
  void TellFresh(const LayerNode& node);
  void BindLayers();
  bool StatesFit() const;
  States PoolStates() const;
  std::vector<Tensor> StateOf(int layer);
  BlobList Blobs(const std::vector<int>& indices) const;

  std::unique_ptr<Context> context_;
  int threads_;
  uint64_t seed_;
  bool debug_info_;
  Graph graph_;
  NetMemory memory_;
  std::vector<std::unique_ptr<Blob>> blobs_, params_;
  std::vector<bool> borrowed_;            // params whose memory belongs to the net shared with
  std::vector<BlobList> bottoms_, tops_;  // by layer
  // What one thread works with where the batch is cut.
  struct Lane {
    std::unique_ptr<Context> context;
    // By graph().slices: what its layers see of their blobs, the whole ones and those of a part.
    std::vector<std::map<int, std::unique_ptr<Blob>>> blobs;
    std::vector<BlobList> bottoms, tops;  // by layer
  };
  std::vector<Lane> lanes_;
  bool check_memory_;
  std::unique_ptr<MemoryPlan> plan_;
  // The arena, perhaps shared with other nets, which knows its users.
  struct ArenaUse {
    ~ArenaUse();
    std::shared_ptr<Arena> arena;
    Net* net = nullptr;
  };
  ArenaUse arena_use_;
  // What the blobs' views are made of; the arena's is null while another net makes it larger.
  std::shared_ptr<Buffer> arena_memory_, kept_;
  States states_;
  std::map<std::string, int> blob_index_;
  Tensor flat_params_, flat_gradients_, loss_;
  // By param: whether the layers write its gradient instead of adding to zeros, and whether the
  // next one does. The other gradients, as few tensors as can be, are cleared.
  std::vector<bool> may_be_fresh_, is_fresh_;
  std::vector<Tensor> cleared_;
};

}  // namespace crema
