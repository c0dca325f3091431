#include "crema/dev/host_layer.h"

namespace crema {
namespace {

HostBlobs ViewsOf(const BlobList& blobs) {
  HostBlobs views;
  for (const Blob* blob : blobs) {
    CREMA_CHECK(blob->layout() == Layout::kPlain, blob->name());
    views.emplace_back(*blob);
  }
  return views;
}

}  // namespace

void HostTensor::Download() {
  if (is_here_) return;
  copy_.resize(tensor_.bytes());
  tensor_.device().CopyOut(copy_.data(), tensor_.raw(), copy_.size());
  is_here_ = true;
}

void HostTensor::WriteBack() {
  if (!is_written_) return;
  tensor_.device().CopyIn(tensor_.raw(), copy_.data(), copy_.size());
  tensor_.buffer()->AnnounceChange();
  is_written_ = false;
}

std::vector<Shape> DataShapedLayer::ShapesOfTops(Context&, const BlobList& bottom) {
  HostBlobs views = ViewsOf(bottom);
  return ShapesOnHost(views);
}

// The device may still be at work on what the host is about to overwrite.
void HostLayer::Forward(Context& ctx, const BlobList& bottom, const BlobList& top) {
  HostBlobs bottoms = ViewsOf(bottom), tops = ViewsOf(top);
  ctx.device().Synchronize();
  ForwardOnHost(bottoms, tops);
  for (HostBlob& blob : tops) blob.data.WriteBack();
}

void HostLayer::Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                         const BlobList& bottom) {
  HostBlobs tops = ViewsOf(top), bottoms = ViewsOf(bottom);
  ctx.device().Synchronize();
  BackwardOnHost(tops, propagate_down, bottoms);
  for (HostBlob& blob : bottoms) blob.diff.WriteBack();
}

void HostLayer::BackwardOnHost(HostBlobs&, const std::vector<bool>& propagate_down, HostBlobs&) {
  for (bool wanted : propagate_down) {
    if (wanted) Fail("this layer has no gradient, but one is needed");
  }
}

}  // namespace crema
