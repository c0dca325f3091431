// What the layers of this engine share: layouts in oneDNN's words, and primitives with their
// arguments.
#pragma once

#include <dnnl.hpp>
#include <initializer_list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "crema/shape.h"
#include "engines/shared/epilogue.h"

namespace crema::onednn {

// In channels-last, 3 to 5 axes.
dnnl::memory::desc ChannelsLast(const Shape& shape,
                                dnnl::memory::data_type type = dnnl::memory::data_type::f32);
// A part of float32 images in channels-last: their first few[1] channels and, along each spatial
// axis a, every steps[a]-th pixel from the first one on, few[a + 2] of them.
dnnl::memory::desc PartOf(const Shape& image, const Shape& few, const int* steps);
// float32 in Caffe's order. `groups` > 1 cuts the first axis, as weights of a grouped convolution
// are; 1 to 6 axes in all.
dnnl::memory::desc Plain(const Shape& shape, int groups = 1);
// The same axes, in the order that the primitive likes best.
dnnl::memory::desc AnyOrder(const Shape& shape, int groups = 1,
                            dnnl::memory::data_type type = dnnl::memory::data_type::f32);

// Whether the processor has instructions for products of bfloat16.
bool HasBFloat16();

// With the scratchpad given by the caller.
dnnl::primitive_attr CallerScratchpad();

// What the epilogue does to each result: the sum, then the ReLU.
dnnl::post_ops PostOps(const Epilogue& epilogue);

// Sizes in memory are rounded up to this, so that what follows is aligned.
constexpr size_t kAlignment = 64;
inline size_t AlignUp(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// "" where the primitive exists and is not the slow reference code; else a few words. `what` names
// it: "the forward pass".
std::string WhyNotUse(const dnnl::primitive_desc_base& desc, const std::string& what);

// A primitive and the descriptions of its arguments. The primitive is made (compiled) at its first
// run; after that a run allocates nothing of ours. Several threads may run it at once, with
// scratchpads of their own. Copies share the primitive.
class Call {
 public:
  Call() = default;
  struct Argument {
    int id;  // DNNL_ARG_...
    dnnl::memory::desc desc;
  };
  Call(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments);

  size_t scratchpad_bytes() const { return scratchpad_bytes_; }

  // Addresses of all arguments by id; the scratchpad's is DNNL_ARG_SCRATCHPAD. Waits for the end.
  struct Address {
    int id;
    const void* memory;
  };
  void Run(std::initializer_list<Address> addresses) { Run(addresses.begin(), addresses.end()); }
  void Run(const Address* first, const Address* last);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  size_t scratchpad_bytes_ = 0;
};

// About what the compiled code of a layer's passes takes, for SavedPlan.
constexpr size_t kBytesOfPlan = size_t{256} << 10;

// Copies from one order into another; `adds`: adds to what is there.
Call Reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to, bool adds = false);

// A call whose caller may have arguments in another order than the primitive: those are copied
// before or, results, after the run. Copies and the scratchpad are in the caller's scratch memory.
// Several threads may run it at once.
class ConvertingCall {
 public:
  struct Argument {
    int id;
    dnnl::memory::desc callers, primitives;
    bool is_result = false;
  };
  ConvertingCall() = default;
  ConvertingCall(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments);

  size_t scratch_bytes() const { return copied_bytes_ + scratchpad_bytes_; }
  // `scratch` is aligned.
  void Run(std::initializer_list<Call::Address> addresses, char* scratch);

 private:
  struct Copy {
    int id;
    bool is_result;
    Call reorder;
    size_t at;  // in the scratch memory
  };
  Call call_;
  std::vector<Copy> copies_;
  size_t copied_bytes_ = 0, scratchpad_bytes_ = 0;
};

}  // namespace crema::onednn
