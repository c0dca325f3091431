// One net trained by several processes or threads, each with a part of every batch: what MPI, NCCL
// or a program of one's own is plugged in by.
#pragma once

#include <cstddef>

#include "crema/context.h"
#include "crema/tensor.h"

namespace crema {

// Each rank (Rank, in crema/context.h) has a Trainer with the same solver (but for snapshots, see
// TrainOptions::rank), the same random_seed and a combiner, and trains with a batch of its own: the
// solver's batch size is that of one rank. Between the backward pass and the update, the combiner
// exchanges each rank's gradients for their mean over all ranks. All ranks then make the same
// update, so that their weights stay equal. What layers keep themselves (the statistics of
// BatchNorm) is each rank's own.
//
// All functions are called by the thread that trains, in the same order on all ranks. What they
// throw ends the training; the other ranks must then notice it themselves.
class GradientCombiner {
 public:
  virtual ~GradientCombiner() = default;

  // How many bytes a piece should have at least, if so many gradients lie side by side: less is
  // combined sooner, more at less cost. The same on all ranks.
  virtual size_t LeastPieceBytes() const { return size_t{1} << 20; }

  // In the last backward pass of an iteration, as soon as the last layer that adds to it has run,
  // or on a GPU is queued: a piece of Net::flat_gradients(), one axis. Nobody else reads or writes
  // it until Finish is done, while other layers still run. May only begin the work, and should not
  // wait.
  virtual void Begin(const Context& ctx, const Tensor& piece) = 0;

  // After the last piece. When it returns, all pieces since the last Finish are means over all
  // ranks; on a GPU, to what is queued from then on.
  virtual void Finish(const Context& ctx) = 0;
};

}  // namespace crema
