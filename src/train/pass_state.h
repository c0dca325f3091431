// What passes of a net change besides its blobs, noted before them so that they can be taken back.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "crema/net.h"

namespace crema {

// Statistics, states that are carried from pass to pass, and the positions in the data.
class PassState {
 public:
  // Notes the tensors of `more` as well. `net` lives longer.
  explicit PassState(Net* net, std::vector<Tensor> more = {});

  // Notes what there is now.
  void Note();
  // Exchanges what was noted for what there is, but for the positions: a snapshot in the middle of
  // a test is made between two calls.
  void Exchange();
  // All is as it was when it was noted; the data is read from there again.
  void TakeBack();

 private:
  std::vector<Tensor> Current() const;

  Net& net_;
  std::vector<Tensor> more_, noted_;
  std::vector<std::pair<std::string, uint64_t>> positions_;
};

// Whether passes of the net can be taken back: not if a layer does what a PassState does not note
// (HDF5Output adds to its file).
bool CanTakeBack(const Net& net);

// Whether a PassState notes all that passes change and a snapshot holds: not if carried states may
// change their shapes.
bool NotesAll(const Net& net);

// The statistics that layers of the net keep, as views of `flat`, which is arranged as
// flat_params() is. Neighbours are one view, with what little may lie between them.
std::vector<Tensor> StatisticsIn(const Net& net, const Tensor& flat);

}  // namespace crema
