// The multipliers of all parameters of a net (lr_mult, decay_mult), as update rules read them.
#pragma once

#include <memory>
#include <vector>

#include "crema/tensor.h"
#include "solvers/update_rule.h"

namespace crema {

// One parameter in the flat buffers, in elements; see tensor/param_block.h.
struct ParamSegment {
  int64_t first = 0, count = 0;
  float lr_mult = 1, decay_mult = 1;
};

// Tables on the device with an entry for each block, and the runs of neighbouring blocks that
// learn: those whose lr_mult is not 0. What does not learn costs an update nothing.
class ParamTable {
 public:
  // `segments` are in the order of the buffers, which have `elements` elements of type `dtype`.
  ParamTable(const std::shared_ptr<Device>& device, DType dtype, int64_t elements,
             const std::vector<ParamSegment>& segments);

  // As given.
  const std::vector<ParamSegment>& segments() const { return segments_; }
  // lr_mult of each block; 0 for blocks of no parameter.
  const Tensor& rate_mults() const { return rate_mults_; }

  // Applies the rule to all parameters that learn. The tables of `step` are these here unless it
  // has its own, its blocks are chosen here.
  void Update(const Context& ctx, const UpdateRule& rule, UpdateStep step) const;

 private:
  struct Run {
    int64_t first_block, blocks;
  };
  void AddToRuns(int64_t first_block, int64_t blocks);

  std::vector<ParamSegment> segments_;
  std::vector<Run> learning_;
  Tensor rate_mults_, decay_mults_;
};

}  // namespace crema
