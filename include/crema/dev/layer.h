// One operation of a net: it says what it needs, then runs forward and backward.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crema/blob.h"
#include "crema/context.h"
#include "crema/dev/description.h"
#include "crema/dev/plan.h"
#include "crema/dev/traits.h"

namespace crema {

namespace proto {
class LayerParameter;
}

// The life of a layer: constructor, Plan (again whenever its input changes or more is known of it),
// Bind, Start (once), then Forward and Backward, and Recompute between the two where its tops were
// dropped. After a later Plan, Bind comes before the next Forward. All of it happens on one thread,
// but for what traits().forward_is_reentrant allows.
class Layer {
 public:
  // Reads the options; throws Error (see Fail) where they make no sense. `config` is copied.
  Layer(const proto::LayerParameter& config, Phase phase);
  virtual ~Layer();  // its blobs may be gone by then

  // As in the net's text.
  const std::string& name() const { return name_; }
  const std::string& type() const { return type_; }                 // "Convolution"
  const proto::LayerParameter& config() const { return *config_; }  // all options
  // That of the net, or the one that the layer's text says.
  Phase phase() const { return phase_; }

  // What the net may know of the layer; see LayerTraits.
  virtual LayerTraits traits() const = 0;

  // Infers everything from what is known of the layer's place in the net; throws Error where the
  // bottoms do not fit. Called at least once before Bind. The params must not change from one call
  // to the next while the bottoms have the same shapes.
  virtual LayerPlan Plan(const PlanInput& input) = 0;

  // For layers whose Plan takes long, such as one that compiles code: all that the last Plan has
  // set in the layer. A net whose shapes come back restores it in place of a Plan for the same
  // input and as many threads. Bind follows, as after a Plan. Empty: the layer is planned again.
  virtual SavedPlan SavePlan() { return {}; }

  // For traits().shapes_depend_on_data only (see DataShapedLayer): the shapes of the tops for the
  // values that the bottoms hold now, none of more elements than Plan said. Waits for the device.
  // The net calls it before each Forward, and plans the layers after this one anew where a shape
  // changes.
  virtual std::vector<Shape> ShapesOfTops(Context&, const BlobList& /*bottom*/) { return {}; }

  // Called once, when memory is there, before the first Forward.
  virtual void Start(Context&) {}

  // Computes the tops' values from the bottoms'. On a GPU it only queues work.
  virtual void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) = 0;

  // Computes once more, from the same bottoms, what the last Forward did, before a Backward that
  // needs it; only where traits().can_recompute.
  virtual void Recompute(Context& ctx, const BlobList& bottom, const BlobList& top) {
    Forward(ctx, bottom, top);
  }

  // Given the tops' gradients, writes (not adds) the gradient of each bottom i with
  // propagate_down[i], and adds to the gradients of the params for which wants_gradient holds, or
  // writes those that it is to overwrite. It may change the tops' gradients, which nobody reads
  // after it. Never called where the layer was planned without a backward pass.
  virtual void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                        const BlobList& bottom);

  // What the passes since the last call found wrong with the layer's input (a label out of range),
  // as a sentence for an Error; "" where all was well. Kernels cannot throw: they leave bad values
  // out, note them on the device, and this reads the note. Waits for the device, so it is called
  // where a number is displayed, and after every pass on the CPU.
  virtual std::string CheckAfterForward(Context&) { return ""; }

  // For layers that read records from a source: how many records the batches given out so far
  // have used, from the start of the first pass over the source on; none for other layers. If
  // several ranks share the source (Context::rank), it counts the records of all: each Forward
  // takes a batch for each rank, one after the other, and gives out the one of its own rank.
  virtual std::optional<uint64_t> position() const { return std::nullopt; }
  // Whether the layer does so for any number of ranks; a net of several refuses others that have a
  // position.
  virtual bool shares_source() const { return false; }
  // Goes on from there with the next Forward, at any time.
  virtual void Seek(uint64_t /*records*/) {}
  // For layers that make batches ahead: how long Forward has waited for them in all, in seconds.
  virtual std::optional<double> waited_seconds() const { return std::nullopt; }

  // What the layer computes, as it was last planned, if it is one of these functions and does
  // nothing beside it: another layer may then do its work (fusible.h). None where it is not.
  virtual std::optional<Pointwise> AsPointwise() const { return std::nullopt; }
  virtual std::optional<ChannelAffine> AsChannelAffine() const { return std::nullopt; }
  virtual std::optional<WeightedSum> AsWeightedSum() const { return std::nullopt; }

  // Multiply-adds x 2 of one forward pass, for the shapes of the last Plan; 0 where it is not worth
  // counting.
  virtual double ForwardFlops() const { return 0; }

  // Gives the layer what the last Plan asked for, one entry each. The blobs outlive the layer or
  // the next Bind. wants_gradient[i] is false where param i is frozen. No gradient is to be
  // overwritten from then on.
  void Bind(BlobList params, std::vector<Tensor> state, std::vector<bool> wants_gradient);
  // What Bind gave.
  const BlobList& params() const { return params_; }

  // Whether the gradient of param i holds no sum yet but anything: the next Backward then writes
  // it, and does not add. Only where traits().overwrites_gradients.
  void SetOverwriteGradient(int i, bool overwrite) { overwrites_[i] = overwrite; }

 protected:
  // What Bind gave, by number: the params and states in the order of the plan.
  Blob& param(int i) const { return *params_[i]; }
  const Tensor& state(int i) const { return state_[i]; }        // which may be written
  const std::vector<Tensor>& states() const { return state_; }  // all of them
  // Whether Backward is to give the gradient of param i.
  bool wants_gradient(int i) const { return wants_gradient_[i]; }
  // Whether Backward writes the gradient of param i, see SetOverwriteGradient.
  bool overwrites_gradient(int i) const { return overwrites_[i]; }
  // For a Backward that has nothing to add up: zeros for the gradients that it should write.
  void ZeroOverwrittenGradients(const Context& ctx) const;

  // "layer 'conv1' (Convolution)".
  std::string Title() const;
  // Throws Error: the title, a colon, the parts.
  template <class... Parts>
  [[noreturn]] void Fail(const Parts&... parts) const {
    ::crema::Fail(InLayer(name_, type_), ": ", parts...);
  }

  // The root of the layer's random numbers; differs between layers of a net. It follows the names
  // of the layer and of bottom 0 or, where there is none, top 0. With it, the numbers are to depend
  // on an element's index in Caffe's order, not on where it lies in memory.
  uint64_t random_key() const { return random_key_; }

 private:
  std::unique_ptr<proto::LayerParameter> config_;
  std::string name_, type_;
  Phase phase_;
  uint64_t random_key_;
  BlobList params_;
  std::vector<Tensor> state_;
  std::vector<bool> wants_gradient_, overwrites_;
};

}  // namespace crema
