// What each lane sees of its blobs.
#include "net/run/lane_blobs.h"

namespace crema {

void LaneBlobs::Connect() {
  lanes_.clear();
  for (size_t s = 0; s < graph_.slices.size(); ++s) {
    const auto count = static_cast<size_t>(graph_.slices[s].lanes);
    while (lanes_.size() < count) {
      Lane& lane = lanes_.emplace_back();
      lane.blobs.resize(graph_.slices.size());
      lane.bottoms.resize(graph_.layers.size());
      lane.tops.resize(graph_.layers.size());
    }
    for (size_t i = 0; i < count; ++i) ConnectLane(s, &lanes_[i]);
  }
}

void LaneBlobs::ConnectLane(size_t slices, Lane* lane) const {
  const auto list = [&](const std::vector<int>& indices) {
    BlobList blobs;
    for (int index : indices) {
      std::unique_ptr<Blob>& blob = lane->blobs[slices][index];
      if (blob == nullptr) blob = std::make_unique<Blob>();
      blobs.push_back(blob.get());
    }
    return blobs;
  };
  for (size_t l = graph_.slices[slices].first; l < graph_.slices[slices].last; ++l) {
    lane->bottoms[l] = list(graph_.layers[l].bottoms);
    lane->tops[l] = list(graph_.layers[l].tops);
  }
}

void LaneBlobs::View() {
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    for (size_t s = 0; s < lanes_[lane].blobs.size(); ++s) {
      for (const auto& [index, blob] : lanes_[lane].blobs[s]) {
        if (graph_.blobs[index].is_part) *blob = memory_.LaneBlob(index, s, lane);
      }
    }
  }
}

void LaneBlobs::Release() {
  for (Lane& lane : lanes_) {
    for (auto& blobs : lane.blobs) {
      for (auto& blob : blobs) *blob.second = Blob();
    }
  }
}

void LaneBlobs::SelectPart(size_t slices, int part, size_t lane) {
  for (int index : graph_.slices[slices].whole) {
    *lanes_[lane].blobs[slices].at(index) = memory_.PartOfBlob(index, slices, part);
  }
}

}  // namespace crema
