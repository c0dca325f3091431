// Slices run part by part, by one thread or by one for each lane.
#include "net/run/slice_runner.h"

#include "crema/dev/host_tasks.h"

namespace crema {

void SliceRunner::MakeContexts(const Context& like) {
  for (const Slices& slices : graph_.slices) {
    while (contexts_.size() < static_cast<size_t>(slices.lanes)) {
      contexts_.push_back(
          std::make_unique<Context>(like.shared_device(), like.seed(), like.rank()));
    }
  }
}

void SliceRunner::SetStep(uint64_t step) {
  for (const auto& context : contexts_) context->SetStep(step);
}

void SliceRunner::Run(size_t index, PassObserver* observer) {
  const PlansForThreads threads(threads_);
  const Slices& slices = graph_.slices[index];
  if (slices.lanes == 1) {
    for (int part = 0; part < slices.count; ++part) RunPart(index, part, 0, observer);
  } else {
    HostTasks(slices.count, slices.lanes,
              [&](int part, int lane) { RunPart(index, part, lane, observer); });
  }
  for (size_t l = slices.first; l < slices.last; ++l) check_.EndStep(ForwardStep(l));
}

void SliceRunner::RunPart(size_t slices, int part, int lane, PassObserver* observer) {
  LaneBlobs& blobs = blobs_.lanes();
  const int64_t base = blobs_.memory().LaneBase(slices, lane);
  blobs.SelectPart(slices, part, lane);
  for (size_t l = graph_.slices[slices].first; l < graph_.slices[slices].last; ++l) {
    if (graph_.layers[l].absorbed_by >= 0) continue;
    const int layer = static_cast<int>(l);
    observer->BeforeForward(layer, lane);
    caller_.Forward(layer, blobs.bottoms(lane, l), blobs.tops(lane, l), base,
                    contexts_[lane].get());
    observer->AfterForward(layer, lane);
    check_.EndLaneStep(slices, lane, ForwardStep(l));
  }
}

}  // namespace crema
