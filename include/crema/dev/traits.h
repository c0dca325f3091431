// What a net may know of a layer, as plain data: nothing in src/net names a layer type.
//
// A layer begins with the traits of its kind and says only what is special about it:
//
//   LayerTraits traits() const override {
//     LayerTraits traits = LayerTraits::Elementwise();
//     traits.backward_needs_bottom_data = false;
//     return traits;
//   }
#pragma once

#include <vector>

namespace crema {

// How many blobs a layer takes and makes.
struct ArityTraits {
  int min_bottoms = 1, max_bottoms = 1;  // -1: any number
  int min_tops = 1, max_tops = 1;
  bool adds_missing_tops = false;  // tops up to min_tops are made where none are named
};

// Its backward pass.
struct GradientTraits {
  bool has_backward = true;                // false: asking it for a gradient is an error
  bool is_loss = false;                    // top 0 has loss weight 1 unless told otherwise
  bool backward_needs_bottom_data = true;  // else the bottoms' values may be dropped
  bool backward_needs_top_data = true;
  // Of the values that the two above ask for it looks only at which are above 0.
  bool backward_needs_only_signs = false;
  std::vector<int> no_gradient_bottoms;    // labels and the like: asking for one is an error
  std::vector<int> zero_gradient_bottoms;  // only the shape counts, say: none is ever sent there
  // Backward can write the gradients of its params instead of adding to them, see
  // Layer::SetOverwriteGradient.
  bool overwrites_gradients = false;
};

// Where its blobs may lie.
struct MemoryTraits {
  bool may_run_in_place = false;  // top 0 may be the same blob as bottom 0
  // Top 0 is above 0 exactly where bottom 0 is, at least wherever the gradient that Backward sends
  // down may differ from 0.
  bool keeps_signs = false;
  bool accepts_channels_last = false;  // else all bottoms and tops are plain
  bool needs_channels_last = false;    // and nothing else; accepts_ is true, too
  bool accepts_any_dtype = false;      // else all bottoms have the net's number type
  // Every top's values (gradients) are bottom 0's: the net may give them the same memory, and
  // Forward (Backward) then does nothing; where the memory differs it copies.
  bool tops_share_bottom_data = false;
  bool tops_share_bottom_diff = false;
  bool tops_take_any_shape = false;  // no bottoms; Net::Reshape may give the tops other shapes
  // How many of the planned elements a pass fills depends on the bottoms' values; see
  // Layer::ShapesOfTops.
  bool shapes_depend_on_data = false;
};

// How it may be run: for a part of the batch, by several threads, once more.
struct BatchTraits {
  // The first axis is that of the samples (images), and in phase TEST each sample of the tops comes
  // from the same sample of the bottoms alone: Forward may be called for some samples, then for the
  // next ones.
  bool is_per_sample = false;
  // Where it is, several threads may call Forward at once, each with a Context and blobs of its
  // own: it writes nothing that is the layer's, at least where it was planned without a backward
  // pass.
  bool forward_is_reentrant = false;
  bool can_recompute = true;  // Recompute gives the same tops once more, with no other effect
};

// They may depend on what the layer was last planned for and on what it has absorbed: the net asks
// again after each Plan, TryAbsorb and the like.
struct LayerTraits : ArityTraits, GradientTraits, MemoryTraits, BatchTraits {
  // One bottom, and a top of its shape, each element of which comes from the same element of the
  // bottom, or from its sample alone: may run in place, in both layouts, for parts of the batch, in
  // several threads.
  static LayerTraits Elementwise() {
    LayerTraits traits = PerSample();
    traits.may_run_in_place = traits.accepts_channels_last = true;
    return traits;
  }

  // Samples are treated one by one, in several threads.
  static LayerTraits PerSample() {
    LayerTraits traits;
    traits.is_per_sample = traits.forward_is_reentrant = true;
    return traits;
  }

  // Tops that hold bottom 0's values, in the same order: nothing is computed.
  static LayerTraits View() {
    LayerTraits traits = WithoutValues();
    traits.accepts_any_dtype = true;
    traits.tops_share_bottom_data = true;
    return traits;
  }

  // The gradient depends on no value of the forward pass.
  static LayerTraits WithoutValues() {
    LayerTraits traits;
    traits.backward_needs_bottom_data = traits.backward_needs_top_data = false;
    return traits;
  }

  // A number that is to become small, made of `bottoms` bottoms.
  static LayerTraits Loss(int bottoms) {
    LayerTraits traits;
    traits.min_bottoms = traits.max_bottoms = bottoms;
    traits.is_loss = traits.adds_missing_tops = true;
    traits.backward_needs_top_data = false;
    return traits;
  }

  // `least` to `most` tops (-1: any number) from no bottom: data, or what the program sets.
  static LayerTraits Source(int least, int most) {
    LayerTraits traits;
    traits.min_bottoms = traits.max_bottoms = 0;
    traits.min_tops = least;
    traits.max_tops = most;
    traits.backward_needs_bottom_data = traits.backward_needs_top_data = false;
    return traits;
  }
};

}  // namespace crema
