// One pass over the data of a net, in which every record is used once.
#pragma once

#include <cstdint>
#include <string>

#include "crema/net.h"

namespace crema {

struct OnePass {
  uint64_t records = 0, batch = 1;
  std::string why_unknown;  // "" if the two are known

  uint64_t full_batches() const { return records / batch; }
  uint64_t rest() const { return records % batch; }  // records of the last batch; 0: it is full
};

// How many records the net's data layers have, and how many they give in a batch.
OnePass PlanOnePass(const Net& net);

// Gives all layers that read such a source another batch size.
void SetBatchSize(uint32_t batch, proto::NetParameter* net);

// The largest batch of at most `batch` records that divides all of them.
uint64_t LargestEvenBatch(uint64_t records, uint64_t batch);

}  // namespace crema
