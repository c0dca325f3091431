// One operation of a net: it says what it needs, then runs forward and backward.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crema/device/context.h"
#include "crema/layer/filler.h"
#include "crema/tensor/blob.h"

namespace crema {

namespace proto {
class LayerParameter;
}

enum class Phase { kTrain, kTest };

// What the planner may know of a layer, as plain data. Nothing in src/net names a layer type.
struct LayerTraits {
  int min_bottoms = 1, max_bottoms = 1;  // -1: any number
  int min_tops = 1, max_tops = 1;
  bool may_run_in_place = false;           // top 0 may be the same blob as bottom 0
  bool is_loss = false;                    // top 0 has loss weight 1 unless told otherwise
  bool adds_missing_tops = false;          // tops up to min_tops are made where none are named
  bool backward_needs_bottom_data = true;  // else the bottoms' values may be dropped
  bool backward_needs_top_data = true;
  bool accepts_channels_last = false;      // else all bottoms and tops are plain
  bool needs_channels_last = false;        // and nothing else; accepts_ is true, too
  std::vector<int> no_gradient_bottoms;    // labels and the like: asking for one is an error
  std::vector<int> zero_gradient_bottoms;  // only the shape counts, say: none is ever sent there
  bool has_backward = true;                // false: asking it for a gradient is an error
  // Every top's values (gradients) are bottom 0's: the net may give them the same memory, and
  // Forward (Backward) then does nothing; where the memory differs it copies.
  bool tops_share_bottom_data = false;
  bool tops_share_bottom_diff = false;
  bool tops_take_any_shape = false;  // no bottoms; Net::Reshape may give the tops other shapes
  // How many of the planned elements a pass fills depends on the bottoms' values; see ShapesOfTops.
  bool shapes_depend_on_data = false;
  // Backward can write the gradients of its params, where they are fresh (see SetFresh).
  bool writes_fresh_gradients = false;
  bool can_run_again = true;  // ForwardAgain gives the same tops once more, with no other effect
  // The first axis is that of the images, and in phase TEST each image of the tops comes from the
  // same image of the bottoms alone: Forward may be called for some images, then for the next ones.
  bool treats_images_apart = false;
  // Where it does so, several threads may call Forward at once, each with a Context and blobs of
  // its own: it writes nothing that is the layer's, at least where top 0 has no gradient.
  bool forward_is_reentrant = false;
};

// A parameter (weights, bias, statistics) of a layer.
struct ParamDecl {
  Shape shape;
  FillerSpec filler;
  bool learned = true;  // false: statistics that the layer itself keeps; the solver leaves them
};

// What a layer tells for given bottom shapes.
struct LayerPlan {
  std::vector<Shape> tops;
  std::vector<ParamDecl> params;
  // Tensors that live from Forward to Backward (masks, saved means), kept by the net.
  struct State {
    Shape shape;
    std::optional<DType> dtype;  // none: that of the net
  };
  std::vector<State> state;
  // The most that one Forward or Backward asks of Context::Scratch.
  size_t scratch_bytes = 0;
};

// The life of a layer: constructor, Plan (again for every change of shape or layout), Bind, Start
// (once), then Forward and Backward. All of it happens on one thread, but for what
// traits().forward_is_reentrant allows.
class Layer {
 public:
  // Reads the options; throws Error (see Fail) where they make no sense.
  Layer(const proto::LayerParameter& config, Phase phase);
  virtual ~Layer();

  const std::string& name() const { return name_; }
  const std::string& type() const { return type_; }
  Phase phase() const { return phase_; }
  const proto::LayerParameter& config() const { return *config_; }

  virtual LayerTraits traits() const = 0;

  // How all bottoms and tops of three or more axes are stored. Set before Plan.
  void SetLayout(Layout layout) { layout_ = layout; }
  Layout layout() const { return layout_; }

  // Infers everything from the shapes of the bottoms; throws Error where they do not fit.
  // `dtype` is the net's number type. The params must not change from one call to the next.
  virtual LayerPlan Plan(const std::vector<Shape>& bottoms, DType dtype) = 0;

  // For traits().shapes_depend_on_data only: the shapes of the tops for the values that the bottoms
  // hold now, none of more elements than Plan said. Waits for the device. The net calls it before
  // each Forward, and plans the layers after this one anew where a shape changes.
  virtual std::vector<Shape> ShapesOfTops(Context&, const BlobList& /*bottom*/) { return {}; }

  // Called once when memory is there and before the first Forward.
  virtual void Start(Context&) {}

  // Computes the tops' values from the bottoms'. On a GPU it only queues work.
  virtual void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) = 0;

  // Computes once more, from the same bottoms, what the last Forward did, before a Backward that
  // needs it; only where traits().can_run_again.
  virtual void ForwardAgain(Context& ctx, const BlobList& bottom, const BlobList& top) {
    Forward(ctx, bottom, top);
  }

  // Given the tops' gradients, writes (not adds) the gradient of each bottom i with
  // propagate_down[i], and adds to the gradients of the params for which wants_gradient holds, or
  // writes those that are fresh.
  virtual void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                        const BlobList& bottom);

  // What the passes since the last call found wrong with the layer's input (a label out of range),
  // as a sentence for an Error; "" where all was well. Kernels cannot throw: they leave bad values
  // out, note them on the device, and this reads the note. Waits for the device, so it is called
  // where a number is displayed, and after every pass on the CPU.
  virtual std::string CheckAfterForward(Context&) { return ""; }

  // For layers that read records from a source: how many records the batches given out so far
  // have used, and going on from there, at any time.
  virtual std::optional<uint64_t> position() const { return std::nullopt; }
  virtual void Seek(uint64_t /*records*/) {}
  // For layers that make batches ahead: how long Forward has waited for them in all.
  virtual std::optional<double> waited_seconds() const { return std::nullopt; }

  // Multiply-adds x 2 of one forward pass; 0 where it is not worth counting.
  virtual double ForwardFlops() const { return 0; }

  // What Plan asked for. wants_gradient[i] is false where param i is frozen.
  void Bind(BlobList params, std::vector<Tensor> state, std::vector<bool> wants_gradient);
  const BlobList& params() const { return params_; }

  // Whether the gradient of param i holds no sum yet but anything: the next Backward writes it.
  // Only where traits().writes_fresh_gradients; not so after Bind.
  void SetFresh(int i, bool fresh) { is_fresh_[i] = fresh; }

 protected:
  Blob& param(int i) const { return *params_[i]; }
  const Tensor& state(int i) const { return state_[i]; }
  bool wants_gradient(int i) const { return wants_gradient_[i]; }
  bool is_fresh(int i) const { return is_fresh_[i]; }
  // For a Backward that has nothing to add up.
  void ZeroFreshGradients(const Context& ctx) const;

  // "layer 'conv1' (Convolution)".
  std::string Title() const;
  // Throws Error: the title, a colon, the parts.
  template <class... Parts>
  [[noreturn]] void Fail(const Parts&... parts) const {
    ::crema::Fail(Title(), ": ", parts...);
  }

  // The root of the layer's random numbers; differs between layers of a net.
  uint64_t random_key() const { return random_key_; }

 private:
  std::unique_ptr<proto::LayerParameter> config_;
  std::string name_, type_;
  Phase phase_;
  Layout layout_ = Layout::kPlain;
  uint64_t random_key_;
  BlobList params_;
  std::vector<Tensor> state_;
  std::vector<bool> wants_gradient_, is_fresh_;
};

}  // namespace crema
