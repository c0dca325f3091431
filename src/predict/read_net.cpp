#include "predict/read_net.h"

#include <algorithm>
#include <cstdint>

#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "crema/error.h"
#include "net/passes.h"
#include "schema/upgrade.h"

namespace crema {
namespace {

constexpr char kInputType[] = "Input";

bool IsKnownType(const std::string& type) {
  const std::vector<std::string> types = LayerTypes(DeviceKind::kCpu);
  return std::find(types.begin(), types.end(), type) != types.end();
}

// `net` has only the layers of phase TEST. What else is wrong with them, the net says itself.
void CheckHasInputs(const std::string& path, const proto::NetParameter& net) {
  const proto::LayerParameter* source = nullptr;
  for (const proto::LayerParameter& layer : net.layer()) {
    if (layer.type() == kInputType) return;
    if (source == nullptr && layer.bottom_size() == 0) source = &layer;
  }
  if (source == nullptr || !IsKnownType(source->type())) return;
  const std::string top = source->top_size() > 0 ? source->top(0) : "data";
  const uint32_t crop = source->transform_param().crop_size();
  const std::string size = crop > 0 ? Concat(crop) : "SIZE";
  Fail(InFile(path), ": the net has no inputs in phase TEST, because its layer '", source->name(),
       "' (", source->type(),
       ") gets its data itself; use the net's deploy file, or put an Input layer in its place, ",
       "with the sizes of its data: layer { name: '", source->name(), "' type: 'Input' top: '", top,
       "' input_param { shape { dim: 1 dim: CHANNELS dim: ", size, " dim: ", size, " } } }");
}

void OverrideBatch(int64_t batch, proto::NetParameter* net) {
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (layer.type() != kInputType) continue;
    for (proto::BlobShape& shape : *layer.mutable_input_param()->mutable_shape()) {
      if (shape.dim_size() > 0) shape.set_dim(0, batch);
    }
  }
}

}  // namespace

std::shared_ptr<const proto::NetParameter> ReadNetToRun(const std::string& path,
                                                        const PredictorOptions& options) {
  auto net = std::make_shared<proto::NetParameter>();
  for (const std::string& change : ReadNetFile(path, net.get())) {
    if (options.log) options.log(Concat(path, ": ", change));
  }
  net->mutable_state()->set_phase(proto::TEST);
  net->mutable_state()->set_level(options.level);
  for (const std::string& stage : options.stages) net->mutable_state()->add_stage(stage);
  if (!options.engine.empty()) net->set_engine(options.engine);
  if (options.batch > 0) OverrideBatch(options.batch, net.get());
  CheckHasInputs(path, FilterLayers(*net));
  return net;
}

void SetInputShapes(const std::map<std::string, Shape>& shapes, proto::NetParameter* net) {
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (layer.type() != kInputType) continue;
    proto::InputParameter changed;
    for (const std::string& top : layer.top()) {
      const auto found = shapes.find(top);
      if (found == shapes.end()) break;
      proto::BlobShape* const shape = changed.add_shape();
      for (int64_t extent : found->second.dims()) shape->add_dim(extent);
    }
    if (changed.shape_size() == layer.top_size()) *layer.mutable_input_param() = changed;
  }
}

}  // namespace crema
