// Calls of layers: scratch memory before, names of layers in errors after.
#include "net/run/layer_caller.h"

namespace crema {
namespace {

// While it lives, the context has this memory to lend.
class ScratchLoan {
 public:
  ScratchLoan(void* memory, size_t bytes, Context* ctx) : ctx_(*ctx) {
    ctx_.LendScratch(memory, bytes);
  }
  ~ScratchLoan() { ctx_.LendScratch(nullptr, 0); }
  ScratchLoan(const ScratchLoan&) = delete;
  ScratchLoan& operator=(const ScratchLoan&) = delete;

 private:
  Context& ctx_;
};

}  // namespace

// If a batch has become smaller than planned, the layer may ask for more than its place has, and
// then gets other memory.
template <class Call>
void LayerCaller::WithScratch(int layer, const Place& scratch, int64_t base, Context* ctx,
                              const Call& call) const {
  const ScratchLoan loan(memory_.AddressInArena(scratch, base), static_cast<size_t>(scratch.bytes),
                         ctx);
  const LayerNode& node = graph_.layers[layer];
  try {
    call(*node.layer);
  } catch (...) {
    RethrowFor(node);
  }
}

void LayerCaller::Forward(int layer, const BlobList& bottoms, const BlobList& tops, int64_t base,
                          Context* ctx) const {
  WithScratch(layer, memory_.plan().forward_scratch[layer], base, ctx,
              [&](Layer& called) { called.Forward(*ctx, bottoms, tops); });
}

void LayerCaller::Recompute(int layer, const BlobList& bottoms, const BlobList& tops,
                            Context* ctx) const {
  WithScratch(layer, memory_.plan().recompute_scratch[layer], 0, ctx,
              [&](Layer& called) { called.Recompute(*ctx, bottoms, tops); });
}

void LayerCaller::Backward(int layer, const BlobList& bottoms, const BlobList& tops,
                           Context* ctx) const {
  WithScratch(layer, memory_.plan().backward_scratch[layer], 0, ctx, [&](Layer& called) {
    called.Backward(*ctx, tops, graph_.layers[layer].propagate_down, bottoms);
  });
}

}  // namespace crema
