#include "solvers/param_table.h"

#include "crema/error.h"
#include "tensor/param_block.h"

namespace crema {

ParamTable::ParamTable(const std::shared_ptr<Device>& device, DType dtype, int64_t elements,
                       const std::vector<ParamSegment>& segments)
    : segments_(segments) {
  CREMA_CHECK(elements % kParamBlock == 0, "the flat buffers have ", elements, " elements");
  std::vector<double> rates(elements / kParamBlock, 0), decays(elements / kParamBlock, 0);
  for (const ParamSegment& segment : segments_) {
    CREMA_CHECK(segment.first % kParamBlock == 0, "a parameter begins at ", segment.first);
    const int64_t first = segment.first / kParamBlock;
    const int64_t blocks = (segment.count + kParamBlock - 1) / kParamBlock;
    for (int64_t b = first; b < first + blocks; ++b) {
      rates[b] = segment.lr_mult;
      decays[b] = segment.decay_mult;
    }
    if (segment.lr_mult != 0) AddToRuns(first, blocks);
  }
  rate_mults_ = Tensor(device, dtype, Shape{elements / kParamBlock});
  decay_mults_ = Tensor(device, dtype, Shape{elements / kParamBlock});
  rate_mults_.FromHost(rates);
  decay_mults_.FromHost(decays);
}

void ParamTable::AddToRuns(int64_t first_block, int64_t blocks) {
  const bool goes_on =
      !learning_.empty() && learning_.back().first_block + learning_.back().blocks == first_block;
  if (goes_on) {
    learning_.back().blocks += blocks;
  } else {
    learning_.push_back({first_block, blocks});
  }
}

void ParamTable::Update(const Context& ctx, const UpdateRule& rule, UpdateStep step) const {
  if (step.rate_mults.empty()) step.rate_mults = rate_mults_;
  step.decay_mults = decay_mults_;
  for (const Run& run : learning_) {
    step.first_block = run.first_block;
    step.blocks = run.blocks;
    rule.Update(ctx, step);
  }
}

}  // namespace crema
