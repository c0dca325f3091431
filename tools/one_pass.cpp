#include "one_pass.h"

#include <algorithm>

#include "crema.pb.h"
#include "crema/dev/counts_records.h"

namespace crema {

OnePass PlanOnePass(const Net& net) {
  OnePass pass;
  for (const LayerNode& node : net.graph().layers) {
    const Layer& layer = *node.layer;
    const auto* const source = dynamic_cast<const CountsRecords*>(&layer);
    if (source == nullptr && layer.position().has_value()) {
      pass.why_unknown = "layer '" + layer.name() + "' (" + layer.type() +
                         ") does not say how many records it has";
    }
    if (source == nullptr) continue;
    const uint64_t records = source->records();
    const auto batch = static_cast<uint64_t>(net.graph().blobs[node.tops[0]].shape[0]);
    const bool is_first = pass.records == 0;
    if (!is_first && (records != pass.records || batch != pass.batch)) {
      pass.why_unknown = "its data layers have different numbers of records";
    }
    pass.records = records;
    pass.batch = batch;
  }
  if (pass.records == 0 && pass.why_unknown.empty()) {
    pass.why_unknown = "no layer of the net reads a data set";
  }
  return pass;
}

void SetBatchSize(uint32_t batch, proto::NetParameter* net) {
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (layer.type() == "Data") layer.mutable_data_param()->set_batch_size(batch);
    if (layer.type() == "ImageData") layer.mutable_image_data_param()->set_batch_size(batch);
    if (layer.type() == "HDF5Data") layer.mutable_hdf5_data_param()->set_batch_size(batch);
  }
}

uint64_t LargestEvenBatch(uint64_t records, uint64_t batch) {
  for (uint64_t even = std::min(records, batch); even > 1; --even) {
    if (records % even == 0) return even;
  }
  return 1;
}

}  // namespace crema
