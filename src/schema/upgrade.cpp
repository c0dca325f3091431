#include "schema/upgrade.h"

#include <google/protobuf/message.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "crema.pb.h"
#include "crema/error.h"
#include "schema/copy_fields.h"
#include "schema/fork_hints.h"
#include "schema/old_formats.h"
#include "schema/text_reader.h"

namespace crema {
namespace {

using google::protobuf::Message;
using proto::LayerParameter;
using proto::NetParameter;

using Notes = std::vector<std::string>;

std::string Layer(const std::string& name) { return "layer \"" + name + "\": "; }

// ---- What has no effect

void NoteRecurrentDebugInfo(const NetParameter& net, Notes* notes) {
  for (const LayerParameter& layer : net.layer()) {
    if (!layer.recurrent_param().debug_info()) continue;
    notes->push_back(Layer(layer.name()) +
                     "\"debug_info\" has no effect in recurrent_param, because the steps are not "
                     "separate layers in crema");
  }
}

// Caffe takes it.
void NoteZeroScales(const NetParameter& net, Notes* notes) {
  for (const LayerParameter& layer : net.layer()) {
    if (!layer.has_transform_param() || layer.transform_param().scale() != 0) continue;
    notes->push_back(
        Layer(layer.name()) +
        "\"scale: 0\" in transform_param makes all pixels 0; remove it, or use another "
        "number");
  }
}

// Caffe passes over a transformation in its old place in silence where the format is the present.
void NoteUselessTransformations(const NetParameter& net, Notes* notes) {
  for (const LayerParameter& layer : net.layer()) {
    const bool is_data = layer.type() == "Data" && layer.has_data_param();
    if (!is_data && !(layer.type() == "ImageData" && layer.has_image_data_param())) continue;
    const Message& data = is_data ? static_cast<const Message&>(layer.data_param())
                                  : static_cast<const Message&>(layer.image_data_param());
    for (const char* name : {"scale", "mean_file", "crop_size", "mirror"}) {
      if (!data.GetReflection()->HasField(data, FieldOf(data, name))) continue;
      notes->push_back(Layer(layer.name()) + "\"" + name + "\" has no effect in " +
                       (is_data ? "data_param" : "image_data_param") +
                       ", as in Caffe; move it to transform_param");
    }
  }
}

// ---- Inputs

proto::BlobShape ShapeOfInput(const std::string& file, const NetParameter& net, int i) {
  if (net.input_shape_size() > 0) {
    if (i < net.input_shape_size()) return net.input_shape(i);
    Fail(InFile(file), ": input \"", net.input(i), "\" has no shape: there are ", net.input_size(),
         " inputs but ", net.input_shape_size(), " input_shape");
  }
  if (net.input_dim_size() < 4 * (i + 1)) {
    Fail(InFile(file), ": input \"", net.input(i), "\" has no shape: there are ", net.input_size(),
         " inputs but ", net.input_dim_size(), " numbers in input_dim; each input needs 4");
  }
  proto::BlobShape shape;
  for (int k = 4 * i; k < 4 * (i + 1); ++k) shape.add_dim(net.input_dim(k));
  return shape;
}

// Fails if a layer reads an input that has no shape, unless some layer makes it.
void CheckInputsWithoutShape(const std::string& file, const NetParameter& net) {
  std::set<std::string> read, made;
  for (const LayerParameter& layer : net.layer()) {
    read.insert(layer.bottom().begin(), layer.bottom().end());
    for (const std::string& top : layer.top()) {
      const auto& own = layer.bottom();
      if (std::find(own.begin(), own.end(), top) == own.end()) made.insert(top);
    }
  }
  for (const std::string& input : net.input()) {
    if (read.count(input) == 0 || made.count(input) > 0) continue;
    Fail(InFile(file), ": input \"", input,
         "\" has no shape; give it after the input, as in input_shape { ",
         "dim: 1 dim: 3 dim: 224 dim: 224 }, or use an Input layer with the top \"", input, "\"");
  }
}

void UpgradeInputs(const std::string& file, NetParameter* net, Notes* notes) {
  const bool has_shapes = net->input_shape_size() > 0 || net->input_dim_size() > 0;
  if (net->input_size() == 0) {
    if (has_shapes) notes->push_back("input_shape and input_dim have no effect without input");
    return;
  }
  // Weights files may name inputs without their shapes; there is nothing to build from them.
  if (!has_shapes) CheckInputsWithoutShape(file, *net);
  if (has_shapes) {
    LayerParameter* layer = net->add_layer();
    layer->set_name("input");
    layer->set_type("Input");
    for (int i = 0; i < net->input_size(); ++i) {
      layer->add_top(net->input(i));
      *layer->mutable_input_param()->add_shape() = ShapeOfInput(file, *net, i);
    }
    for (int i = net->layer_size() - 1; i > 0; --i) {
      net->mutable_layer()->SwapElements(i, i - 1);
    }
  }
  net->clear_input();
  net->clear_input_shape();
  net->clear_input_dim();
  notes->push_back(has_shapes ? "input fields were converted into an Input layer"
                              : "input fields without shapes were ignored");
}

// ---- BatchNorm

void UpgradeBatchNorm(NetParameter* net, Notes* notes) {
  bool changed = false;
  for (LayerParameter& layer : *net->mutable_layer()) {
    // Nets of the first version froze the three statistics by hand.
    if (layer.type() != "BatchNorm" || layer.param_size() != 3) continue;
    for (proto::ParamSpec& param : *layer.mutable_param()) {
      changed |= param.lr_mult() != 0 || param.decay_mult() != 0;
      param.set_lr_mult(0);
      param.set_decay_mult(0);
    }
  }
  if (changed) notes->push_back("the statistics of BatchNorm layers were fixed (lr_mult 0)");
}

// ---- Words of forks

// The rounding of Pooling. Where it contradicts itself the layer refuses it.
void UpgradeRounding(NetParameter* net, Notes* notes) {
  bool changed = false;
  for (LayerParameter& layer : *net->mutable_layer()) {
    const proto::PoolingParameter& old = layer.pooling_param();
    if (!old.has_ceil_mode() && !old.has_torch_pooling()) continue;
    const bool up = old.has_ceil_mode() ? old.ceil_mode() : !old.torch_pooling();
    const auto mode = up ? proto::PoolingParameter::CEIL : proto::PoolingParameter::FLOOR;
    const bool agree = (!old.has_torch_pooling() || old.torch_pooling() != up) &&
                       (!old.has_round_mode() || old.round_mode() == mode);
    if (!agree) continue;
    layer.mutable_pooling_param()->set_round_mode(mode);
    layer.mutable_pooling_param()->clear_ceil_mode();
    layer.mutable_pooling_param()->clear_torch_pooling();
    changed = true;
  }
  if (changed) notes->push_back("ceil_mode and torch_pooling were converted into round_mode");
}

void UpgradeEngine(NetParameter* net, Notes* notes) {
  if (!IsEngineOfFork(net->engine())) return;
  notes->push_back("engine: \"" + net->engine() + "\", an engine of another Caffe, was ignored");
  net->clear_engine();
}

void Append(const Notes& more, Notes* notes) {
  notes->insert(notes->end(), more.begin(), more.end());
}

const char* NameOfSolverType(proto::SolverParameter::SolverType type) {
  switch (type) {
    case proto::SolverParameter::SGD: return "SGD";
    case proto::SolverParameter::NESTEROV: return "Nesterov";
    case proto::SolverParameter::ADAGRAD: return "AdaGrad";
    case proto::SolverParameter::RMSPROP: return "RMSProp";
    case proto::SolverParameter::ADADELTA: return "AdaDelta";
    case proto::SolverParameter::ADAM: return "Adam";
    case proto::SolverParameter::SAG: return "SAG";
  }
  return "";
}

void SettleSnapshotPrefix(const std::string& path, proto::SolverParameter* solver) {
  const std::filesystem::path file(path);
  std::error_code ignored;
  if (!solver->has_snapshot_prefix()) {
    solver->set_snapshot_prefix(std::filesystem::path(file).replace_extension().string());
  } else if (std::filesystem::is_directory(solver->snapshot_prefix(), ignored)) {
    const std::filesystem::path folder(solver->snapshot_prefix());
    solver->set_snapshot_prefix((folder / file.stem()).string());
  }
}

}  // namespace

std::vector<std::string> UpgradeNet(const std::string& name_for_errors, NetParameter* net) {
  Notes notes;
  UpgradeV0(name_for_errors, net, &notes);
  UpgradeTransformations(net, &notes);
  UpgradeV1(name_for_errors, net, &notes);
  NoteUselessTransformations(*net, &notes);
  NoteZeroScales(*net, &notes);
  NoteRecurrentDebugInfo(*net, &notes);
  UpgradeInputs(name_for_errors, net, &notes);
  UpgradeBatchNorm(net, &notes);
  UpgradeRounding(net, &notes);
  UpgradeEngine(net, &notes);
  return notes;
}

std::vector<std::string> UpgradeSolver(const std::string& name_for_errors,
                                       proto::SolverParameter* solver) {
  Notes notes;
  if (solver->has_solver_type() && solver->has_type()) {
    Fail(InFile(name_for_errors), ": sets both \"solver_type\" and \"type\"; remove solver_type");
  }
  if (solver->has_solver_type()) {
    solver->set_type(NameOfSolverType(solver->solver_type()));
    solver->clear_solver_type();
    notes.push_back("solver_type was converted into type: \"" + solver->type() + "\"");
  }
  if (solver->has_net_param()) {
    Append(UpgradeNet(name_for_errors, solver->mutable_net_param()), &notes);
  }
  if (solver->has_train_net_param()) {
    Append(UpgradeNet(name_for_errors, solver->mutable_train_net_param()), &notes);
  }
  for (NetParameter& net : *solver->mutable_test_net_param()) {
    Append(UpgradeNet(name_for_errors, &net), &notes);
  }
  return notes;
}

std::vector<std::string> ReadNetText(const std::string& text, const std::string& name_for_errors,
                                     NetParameter* net) {
  Notes notes = ReadText(text, name_for_errors, net);
  Append(UpgradeNet(name_for_errors, net), &notes);
  return notes;
}

std::vector<std::string> ReadNetFile(const std::string& path, NetParameter* net) {
  Notes notes = ReadTextFile(path, net);
  Append(UpgradeNet(path, net), &notes);
  return notes;
}

std::vector<std::string> ReadSolverFile(const std::string& path, proto::SolverParameter* solver) {
  Notes notes = ReadTextFile(path, solver);
  Append(UpgradeSolver(path, solver), &notes);
  SettleSnapshotPrefix(path, solver);
  return notes;
}

}  // namespace crema
