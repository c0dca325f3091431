#include "schema/old_formats.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <map>

#include "base/strings.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "schema/copy_fields.h"

namespace crema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using proto::LayerParameter;
using proto::NetParameter;
using proto::V0LayerParameter;
using proto::V1LayerParameter;

using Notes = std::vector<std::string>;

struct V0Type {
  const char* name;
  V1LayerParameter::LayerType type;
};

const V0Type kV0Types[] = {
    {"accuracy", V1LayerParameter::ACCURACY},
    {"bnll", V1LayerParameter::BNLL},
    {"concat", V1LayerParameter::CONCAT},
    {"conv", V1LayerParameter::CONVOLUTION},
    {"data", V1LayerParameter::DATA},
    {"dropout", V1LayerParameter::DROPOUT},
    {"euclidean_loss", V1LayerParameter::EUCLIDEAN_LOSS},
    {"flatten", V1LayerParameter::FLATTEN},
    {"hdf5_data", V1LayerParameter::HDF5_DATA},
    {"hdf5_output", V1LayerParameter::HDF5_OUTPUT},
    {"im2col", V1LayerParameter::IM2COL},
    {"images", V1LayerParameter::IMAGE_DATA},
    {"infogain_loss", V1LayerParameter::INFOGAIN_LOSS},
    {"innerproduct", V1LayerParameter::INNER_PRODUCT},
    {"lrn", V1LayerParameter::LRN},
    {"multinomial_logistic_loss", V1LayerParameter::MULTINOMIAL_LOGISTIC_LOSS},
    {"pool", V1LayerParameter::POOLING},
    {"relu", V1LayerParameter::RELU},
    {"sigmoid", V1LayerParameter::SIGMOID},
    {"softmax", V1LayerParameter::SOFTMAX},
    {"softmax_loss", V1LayerParameter::SOFTMAX_LOSS},
    {"split", V1LayerParameter::SPLIT},
    {"tanh", V1LayerParameter::TANH},
    {"window_data", V1LayerParameter::WINDOW_DATA},
};

// Where a field of a V0 layer goes in a V1 layer of a given type.
struct V0Move {
  const char* field;
  const char* type;  // "" is any
  const char* group;
  const char* target;
};

const V0Move kV0Moves[] = {
    {"num_output", "conv", "convolution_param", "num_output"},
    {"num_output", "innerproduct", "inner_product_param", "num_output"},
    {"biasterm", "conv", "convolution_param", "bias_term"},
    {"biasterm", "innerproduct", "inner_product_param", "bias_term"},
    {"weight_filler", "conv", "convolution_param", "weight_filler"},
    {"weight_filler", "innerproduct", "inner_product_param", "weight_filler"},
    {"bias_filler", "conv", "convolution_param", "bias_filler"},
    {"bias_filler", "innerproduct", "inner_product_param", "bias_filler"},
    {"pad", "conv", "convolution_param", "pad"},
    {"pad", "pool", "pooling_param", "pad"},
    {"kernelsize", "conv", "convolution_param", "kernel_size"},
    {"kernelsize", "pool", "pooling_param", "kernel_size"},
    {"group", "conv", "convolution_param", "group"},
    {"stride", "conv", "convolution_param", "stride"},
    {"stride", "pool", "pooling_param", "stride"},
    {"pool", "pool", "pooling_param", "pool"},
    {"dropout_ratio", "dropout", "dropout_param", "dropout_ratio"},
    {"local_size", "lrn", "lrn_param", "local_size"},
    {"alpha", "lrn", "lrn_param", "alpha"},
    {"beta", "lrn", "lrn_param", "beta"},
    {"k", "lrn", "lrn_param", "k"},
    {"source", "data", "data_param", "source"},
    {"source", "hdf5_data", "hdf5_data_param", "source"},
    {"source", "images", "image_data_param", "source"},
    {"source", "window_data", "window_data_param", "source"},
    {"source", "infogain_loss", "infogain_loss_param", "source"},
    {"scale", "", "transform_param", "scale"},
    {"meanfile", "", "transform_param", "mean_file"},
    {"cropsize", "", "transform_param", "crop_size"},
    {"mirror", "", "transform_param", "mirror"},
    {"batchsize", "data", "data_param", "batch_size"},
    {"batchsize", "hdf5_data", "hdf5_data_param", "batch_size"},
    {"batchsize", "images", "image_data_param", "batch_size"},
    {"batchsize", "window_data", "window_data_param", "batch_size"},
    {"rand_skip", "data", "data_param", "rand_skip"},
    {"rand_skip", "images", "image_data_param", "rand_skip"},
    {"shuffle_images", "images", "image_data_param", "shuffle"},
    {"new_height", "images", "image_data_param", "new_height"},
    {"new_width", "images", "image_data_param", "new_width"},
    {"concat_dim", "concat", "concat_param", "concat_dim"},
    {"det_fg_threshold", "window_data", "window_data_param", "fg_threshold"},
    {"det_bg_threshold", "window_data", "window_data_param", "bg_threshold"},
    {"det_fg_fraction", "window_data", "window_data_param", "fg_fraction"},
    {"det_context_pad", "window_data", "window_data_param", "context_pad"},
    {"det_crop_mode", "window_data", "window_data_param", "crop_mode"},
    {"hdf5_output_param", "hdf5_output", "", "hdf5_output_param"},
};

struct V1Type {
  V1LayerParameter::LayerType type;
  const char* name;
};

const V1Type kV1Types[] = {
    {V1LayerParameter::ABSVAL, "AbsVal"},
    {V1LayerParameter::ACCURACY, "Accuracy"},
    {V1LayerParameter::ARGMAX, "ArgMax"},
    {V1LayerParameter::BNLL, "BNLL"},
    {V1LayerParameter::CONCAT, "Concat"},
    {V1LayerParameter::CONTRASTIVE_LOSS, "ContrastiveLoss"},
    {V1LayerParameter::CONVOLUTION, "Convolution"},
    {V1LayerParameter::DATA, "Data"},
    {V1LayerParameter::DECONVOLUTION, "Deconvolution"},
    {V1LayerParameter::DROPOUT, "Dropout"},
    {V1LayerParameter::DUMMY_DATA, "DummyData"},
    {V1LayerParameter::ELTWISE, "Eltwise"},
    {V1LayerParameter::EUCLIDEAN_LOSS, "EuclideanLoss"},
    {V1LayerParameter::EXP, "Exp"},
    {V1LayerParameter::FLATTEN, "Flatten"},
    {V1LayerParameter::HDF5_DATA, "HDF5Data"},
    {V1LayerParameter::HDF5_OUTPUT, "HDF5Output"},
    {V1LayerParameter::HINGE_LOSS, "HingeLoss"},
    {V1LayerParameter::IM2COL, "Im2col"},
    {V1LayerParameter::IMAGE_DATA, "ImageData"},
    {V1LayerParameter::INFOGAIN_LOSS, "InfogainLoss"},
    {V1LayerParameter::INNER_PRODUCT, "InnerProduct"},
    {V1LayerParameter::LRN, "LRN"},
    {V1LayerParameter::MEMORY_DATA, "MemoryData"},
    {V1LayerParameter::MULTINOMIAL_LOGISTIC_LOSS, "MultinomialLogisticLoss"},
    {V1LayerParameter::MVN, "MVN"},
    {V1LayerParameter::POOLING, "Pooling"},
    {V1LayerParameter::POWER, "Power"},
    {V1LayerParameter::RELU, "ReLU"},
    {V1LayerParameter::SIGMOID, "Sigmoid"},
    {V1LayerParameter::SIGMOID_CROSS_ENTROPY_LOSS, "SigmoidCrossEntropyLoss"},
    {V1LayerParameter::SILENCE, "Silence"},
    {V1LayerParameter::SLICE, "Slice"},
    {V1LayerParameter::SOFTMAX, "Softmax"},
    {V1LayerParameter::SOFTMAX_LOSS, "SoftmaxWithLoss"},
    {V1LayerParameter::SPLIT, "Split"},
    {V1LayerParameter::TANH, "TanH"},
    {V1LayerParameter::THRESHOLD, "Threshold"},
    {V1LayerParameter::WINDOW_DATA, "WindowData"},
};

std::string Layer(const std::string& name) { return "layer \"" + name + "\": "; }

// ---- V0 to V1

bool HasV0Layers(const NetParameter& net) {
  for (const V1LayerParameter& layer : net.layers()) {
    if (layer.has_layer()) return true;
  }
  return false;
}

// Gives a layer behind a padding layer that layer's padding and its bottom.
void AbsorbPadding(const std::string& file, const V1LayerParameter& padding,
                   V1LayerParameter* layer) {
  const std::string start = file + ": " + Layer(layer->layer().name());
  const std::string& type = layer->layer().type();
  if (type != "conv" && type != "pool") {
    Fail(start, "reads the padding layer \"", padding.layer().name(),
         "\", which only conv and pool layers can, not ", type);
  }
  if (layer->bottom_size() != 1 || padding.bottom_size() != 1 || padding.top_size() != 1) {
    Fail(start, "it and the padding layer \"", padding.layer().name(),
         "\" before it must have exactly one bottom, and the padding layer one top");
  }
  layer->mutable_layer()->set_pad(padding.layer().pad());
  layer->set_bottom(0, padding.bottom(0));
}

void MergePaddingLayers(const std::string& file, NetParameter* net) {
  const NetParameter old = *net;
  net->clear_layers();
  std::map<std::string, const V1LayerParameter*> maker;  // of each blob; null for inputs
  for (const std::string& input : old.input()) maker[input] = nullptr;
  for (const V1LayerParameter& layer : old.layers()) {
    V1LayerParameter copy = layer;
    for (const std::string& bottom : layer.bottom()) {
      const auto found = maker.find(bottom);
      if (found == maker.end()) {
        Fail(InFile(file), ": ", Layer(layer.layer().name()),
             "no layer before it produces its bottom \"", bottom, "\"");
      }
      const V1LayerParameter* source = found->second;
      if (source == nullptr || source->layer().type() != "padding") continue;
      AbsorbPadding(file, *source, &copy);
    }
    if (layer.layer().type() != "padding") *net->add_layers() = copy;
    for (const std::string& top : layer.top()) maker[top] = &layer;
  }
}

V1LayerParameter::LayerType TypeOfV0Layer(const std::string& file, const V0LayerParameter& layer) {
  std::vector<std::string> names;
  for (const V0Type& known : kV0Types) {
    if (layer.type() == known.name) return known.type;
    names.push_back(known.name);
  }
  const std::string nearest = Nearest(layer.type(), names);
  Fail(InFile(file), ": ", Layer(layer.name()), "the format V0 has no layer type \"", layer.type(),
       "\"", nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?");
}

// Copies one setting to its place in `layer`. Returns false where the type has no use for it.
bool MoveV0Field(const V0LayerParameter& old, const FieldDescriptor* field,
                 V1LayerParameter* layer) {
  for (const V0Move& move : kV0Moves) {
    const bool is_type = move.type[0] == '\0' || old.type() == move.type;
    if (field->name() != move.field || !is_type) continue;
    Message* group = layer;
    if (move.group[0] != '\0') {
      group = layer->GetReflection()->MutableMessage(layer, FieldOf(*layer, move.group));
    }
    CopySingle(old, field, group, FieldOf(*group, move.target));
    return true;
  }
  return false;
}

V1LayerParameter UpgradeV0Layer(const std::string& file, const V1LayerParameter& wrapper,
                                Notes* notes) {
  if (!wrapper.has_layer()) return wrapper;
  V1LayerParameter layer;
  *layer.mutable_bottom() = wrapper.bottom();
  *layer.mutable_top() = wrapper.top();
  const V0LayerParameter& old = wrapper.layer();
  for (const FieldDescriptor* field : FieldsSet(old)) {
    if (field->name() == "type") {
      layer.set_type(TypeOfV0Layer(file, old));
      continue;
    }
    // Name, blobs, blobs_lr and weight_decay keep their names; `bottom` is not in V0.
    const bool is_common = field->is_repeated() || field->name() == "name";
    const bool used =
        is_common ? CopySameName(old, field, &layer) : MoveV0Field(old, field, &layer);
    if (!used) {
      notes->push_back(Layer(old.name()) + "\"" + field->name() + "\" has no meaning for a " +
                       old.type() + " layer and was ignored");
    }
  }
  return layer;
}

}  // namespace

void UpgradeV0(const std::string& file, NetParameter* net, Notes* notes) {
  if (!HasV0Layers(*net)) return;
  MergePaddingLayers(file, net);
  for (V1LayerParameter& layer : *net->mutable_layers()) {
    layer = UpgradeV0Layer(file, layer, notes);
  }
  notes->push_back("layers in the oldest format (V0) were converted");
}

namespace {

// ---- Transformations in data parameters

// Moves scale, mean_file, crop_size and mirror to the group that now has them. Returns whether
// there were any.
bool MoveTransformations(Message* data, proto::TransformationParameter* transform) {
  bool moved = false;
  for (const char* name : {"scale", "mean_file", "crop_size", "mirror"}) {
    const FieldDescriptor* field = FieldOf(*data, name);
    if (!data->GetReflection()->HasField(*data, field)) continue;
    CopySingle(*data, field, transform, FieldOf(*transform, name));
    data->GetReflection()->ClearField(data, field);
    moved = true;
  }
  return moved;
}

bool UpgradeDataLayer(V1LayerParameter* layer) {
  // The group is made only where it is needed.
  proto::TransformationParameter transform = layer->transform_param();
  bool moved = false;
  if (layer->type() == V1LayerParameter::DATA && layer->has_data_param()) {
    moved = MoveTransformations(layer->mutable_data_param(), &transform);
  } else if (layer->type() == V1LayerParameter::IMAGE_DATA && layer->has_image_data_param()) {
    moved = MoveTransformations(layer->mutable_image_data_param(), &transform);
  } else if (layer->type() == V1LayerParameter::WINDOW_DATA && layer->has_window_data_param()) {
    moved = MoveTransformations(layer->mutable_window_data_param(), &transform);
  }
  if (moved) *layer->mutable_transform_param() = transform;
  return moved;
}

}  // namespace

void UpgradeTransformations(NetParameter* net, Notes* notes) {
  bool moved = false;
  for (V1LayerParameter& layer : *net->mutable_layers()) moved |= UpgradeDataLayer(&layer);
  if (moved) notes->push_back("transformations in data layers were moved to transform_param");
}

namespace {

// ---- V1 to the present format

proto::ParamSpec* ParamAt(LayerParameter* layer, int i) {
  while (layer->param_size() <= i) layer->add_param();
  return layer->mutable_param(i);
}

// The four lists about parameters become one list of groups.
void UpgradeParams(const V1LayerParameter& old, LayerParameter* layer) {
  for (int i = 0; i < old.param_size(); ++i) ParamAt(layer, i)->set_name(old.param(i));
  for (int i = 0; i < old.blob_share_mode_size(); ++i) {
    const bool strict = old.blob_share_mode(i) == V1LayerParameter::STRICT;
    ParamAt(layer, i)->set_share_mode(strict ? proto::ParamSpec::STRICT
                                             : proto::ParamSpec::PERMISSIVE);
  }
  for (int i = 0; i < old.blobs_lr_size(); ++i) ParamAt(layer, i)->set_lr_mult(old.blobs_lr(i));
  for (int i = 0; i < old.weight_decay_size(); ++i) {
    ParamAt(layer, i)->set_decay_mult(old.weight_decay(i));
  }
}

void UpgradeV1Layer(const V1LayerParameter& old, LayerParameter* layer, Notes* notes) {
  if (old.has_type()) layer->set_type(NameOfV1Type(old.type()));
  UpgradeParams(old, layer);
  for (const FieldDescriptor* field : FieldsSet(old)) {
    const std::string& name = field->name();
    const bool done = name == "type" || name == "param" || name == "blob_share_mode" ||
                      name == "blobs_lr" || name == "weight_decay";
    if (done || CopySameName(old, field, layer)) continue;
    notes->push_back(Layer(old.name()) + "\"" + name + "\" was ignored");
  }
}

}  // namespace

void UpgradeV1(const std::string& file, NetParameter* net, Notes* notes) {
  if (net->layers_size() == 0) return;
  if (net->layer_size() > 0) {
    Fail(InFile(file), ": the net has both \"layer\" (\"", net->layer(0).name(),
         "\") and \"layers\" (\"", net->layers(0).name(),
         "\"); write all layers in one of the two formats");
  }
  for (const V1LayerParameter& layer : net->layers()) {
    UpgradeV1Layer(layer, net->add_layer(), notes);
  }
  net->clear_layers();
  notes->push_back("layers in an old format (V1) were converted");
}

std::string NameOfV1Type(int type) {
  for (const V1Type& known : kV1Types) {
    if (type == known.type) return known.name;
  }
  return "";
}

std::string NameOfV0Type(const std::string& type) {
  for (const V0Type& known : kV0Types) {
    if (type == known.name) return NameOfV1Type(known.type);
  }
  return "";
}

}  // namespace crema
