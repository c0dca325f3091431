#include "crema/dev/check_gradients.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>

#include "base/counted.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/net.h"
#include "net/passes.h"
#include "schema/upgrade.h"

namespace crema {
namespace {

// Slopes of a smooth function to both sides of a point differ little.
constexpr double kKink = 1e-2;
// What rounding may make of a gradient that is 0.
constexpr double kRounding = 1e-9;

void CheckOptions(const GradientCheckOptions& options) {
  if (options.elements <= 0) {
    Fail("the gradient check's option elements is ", options.elements,
         ", but must be greater than 0");
  }
  if (!(options.step > 0) || !std::isfinite(options.step)) {
    Fail("the gradient check's option step is ", options.step,
         ", but must be a number greater than 0");
  }
  if (!(options.tolerance >= 0) || !std::isfinite(options.tolerance)) {
    Fail("the gradient check's option tolerance is ", options.tolerance,
         ", but must be a number that is not negative");
  }
}

std::unique_ptr<Net> MakeNet(const std::string& text, const GradientCheckOptions& options,
                             bool fuse) {
  proto::NetParameter config;
  ReadNetText(text, "the net of the gradient check", &config);
  config.mutable_state()->set_phase(proto::TRAIN);
  config.set_force_backward(true);
  NetOptions net;
  net.dtype = DType::kFloat64;
  net.fuse = fuse;
  const auto device = options.device ? options.device : OpenDevice(DeviceKind::kCpu);
  return std::make_unique<Net>(config, device, net);
}

bool HasLoss(const Net& net) {
  for (const LayerNode& node : net.graph().layers) {
    for (const float weight : node.loss_weights) {
      if (weight != 0) return true;
    }
  }
  return false;
}

// The layers whose work others do, as "layer 'a' (Mine), layer 'b' (Mine)"; "" if there are none.
std::string FusedLayers(const Net& net) {
  std::vector<std::string> titles;
  for (const LayerNode& node : net.graph().layers) {
    if (node.absorbed_by >= 0) titles.push_back(LayerTitle(*node.layer));
  }
  return Join(titles);
}

// The blobs that Input layers make.
std::vector<const Blob*> InputsOf(const Net& net) {
  std::vector<const Blob*> inputs;
  for (const LayerNode& node : net.graph().layers) {
    if (!node.traits.tops_take_any_shape) continue;
    for (int top : node.tops) inputs.push_back(&net.blob(top));
  }
  return inputs;
}

void CheckGivenInputs(const Net& net, const GradientCheckOptions& options) {
  for (const auto& [name, values] : options.inputs) {
    const std::string who = Concat("the gradient check's option inputs: '", name, "'");
    const Blob* found = nullptr;
    std::vector<std::string> names;
    for (const Blob* input : InputsOf(net)) {
      names.push_back("'" + input->name() + "'");
      if (input->name() == name) found = input;
    }
    if (found == nullptr) {
      Fail(who, " is no input of the net; ",
           names.empty() ? "it has none; add an Input layer" : "name one of " + Join(names));
    }
    if (static_cast<int64_t>(values.size()) != found->count()) {
      Fail(who, " has ", Counted(static_cast<int>(values.size()), "value"), ", but its shape is ",
           found->shape().ToString(), "; give ", found->count());
    }
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) {
        Fail(who, " is ", values[i], " at element ", i, "; give finite numbers");
      }
    }
  }
}

void FillInputs(const Net& net, const GradientCheckOptions& options) {
  std::mt19937_64 engine(1);
  std::normal_distribution<double> normal;
  for (const Blob* input : InputsOf(net)) {
    std::vector<double> values(static_cast<size_t>(input->count()));
    for (double& value : values) value = normal(engine);
    const auto given = options.inputs.find(input->name());
    input->data_tensor().FromHost(given == options.inputs.end() ? values : given->second);
  }
}

double LossOf(Net* net) {
  net->Forward(0);
  return net->loss().ToHost<double>()[0];
}

// Values that the loss depends on, and the net's gradient of it.
struct Variable {
  std::string name;
  Tensor values;
  std::vector<double> gradient;
};

// With the gradients of one pass, whose loss goes to `loss`.
std::vector<Variable> VariablesOf(Net* net, double* loss) {
  *loss = LossOf(net);
  net->ClearGradients();
  net->Backward();
  net->CheckAfterForward();
  std::vector<Variable> variables;
  const auto add = [&](const std::string& name, const Blob& blob) {
    variables.push_back({name, blob.data_tensor(), blob.diff_tensor().ToHost<double>()});
  };
  for (const Blob* input : InputsOf(*net)) {
    if (input->has_diff()) add(Concat("'", input->name(), "'"), *input);
  }
  for (size_t p = 0; p < net->graph().params.size(); ++p) {
    const ParamNode& node = net->graph().params[p];
    if (!node.wants_gradient || node.owner >= 0) continue;
    const Layer& layer = *net->graph().layers[node.layer].layer;
    add(Concat("parameter ", node.index, " of layer '", layer.name(), "'"),
        net->param(static_cast<int>(p)));
  }
  return variables;
}

class GradientCheck {
 public:
  GradientCheck(const std::string& text, const GradientCheckOptions& options)
      : text_(text), options_(options), net_(MakeNet(text, options, false)) {}

  void Run() {
    if (!HasLoss(*net_)) {
      Fail(
          "the gradient check found no loss; the net needs a loss layer, or a top with a "
          "loss_weight that is not 0");
    }
    CheckGivenInputs(*net_, options_);
    FillInputs(*net_, options_);
    double loss = 0;
    const std::vector<Variable> variables = VariablesOf(net_.get(), &loss);
    if (!std::isfinite(loss)) {
      Fail("the gradient check's net has the loss ", loss,
           "; give it inputs for which the loss is finite");
    }
    RunFused(loss);
    for (const Variable& variable : variables) Check(variable);
    if (largest_ > kRounding) return;
    Fail(
        "the gradient check found no gradient to check: none of the loss flows to an input or a "
        "parameter; put the layer between an input and a loss that has a gradient, and give it "
        "inputs at which it has one");
  }

 private:
  // The same pass of the net as it usually is, with layers that do the work of others.
  void RunFused(double loss) {
    const std::unique_ptr<Net> net = MakeNet(text_, options_, true);
    fused_layers_ = FusedLayers(*net);
    if (fused_layers_.empty()) return;
    FillInputs(*net, options_);
    double fused_loss = 0;
    for (Variable& variable : VariablesOf(net.get(), &fused_loss)) {
      fused_[variable.name] = std::move(variable.gradient);
    }
    const double limit =
        options_.tolerance * std::max(std::fabs(loss), std::fabs(fused_loss)) + kRounding;
    // Written so that NaN fails.
    if (std::fabs(fused_loss - loss) <= limit) return;
    Fail("the loss is ", loss, ", but ", fused_loss, " where other layers do the work of ",
         fused_layers_,
         "; let what AsPointwise, AsChannelAffine or AsWeightedSum says agree with Forward");
  }

  // The slope of the loss along element `i`; false where it has none.
  bool Slope(const Variable& variable, std::vector<double>* values, size_t i, double* slope) {
    const double middle = (*values)[i];
    const auto loss_at = [&](double value) {
      (*values)[i] = value;
      variable.values.FromHost(*values);
      return LossOf(net_.get());
    };
    const double below = loss_at(middle - options_.step);
    const double above = loss_at(middle + options_.step);
    const double here = loss_at(middle);
    *slope = (above - below) / (2 * options_.step);
    const double left = (here - below) / options_.step, right = (above - here) / options_.step;
    // Written so that NaN is no kink, but fails later.
    return !(std::fabs(right - left) >
             kKink * std::max(std::fabs(left), std::fabs(right)) + options_.step);
  }

  void Check(const Variable& variable) {
    double largest = 0;
    for (const double value : variable.gradient) largest = std::max(largest, std::fabs(value));
    largest_ = std::max(largest_, largest);
    const auto fused = fused_.find(variable.name);
    std::vector<double> values = variable.values.ToHost<double>();
    const size_t most = static_cast<size_t>(options_.elements);
    const size_t stride = (values.size() + most - 1) / most;
    size_t checked = 0, kinks = 0;
    for (size_t i = 0; i < values.size(); i += stride) {
      double slope = 0;
      if (!Slope(variable, &values, i, &slope)) {
        ++kinks;
        continue;
      }
      ++checked;
      const double limit = options_.tolerance * std::max(largest, std::fabs(slope)) + kRounding;
      largest_ = std::max(largest_, std::fabs(slope));
      // Written so that NaN fails.
      const auto is_right = [&](double gradient) { return std::fabs(gradient - slope) <= limit; };
      const double plain = variable.gradient[i];
      if (!is_right(plain)) {
        Fail("the gradient of ", variable.name, " is wrong at element ", i, ": the net gives ",
             plain, ", but differences of the loss give ", slope, "; correct the layer's Backward");
      }
      if (fused == fused_.end() || is_right(fused->second[i])) continue;
      Fail("the gradient of ", variable.name, " is wrong at element ", i,
           " where other layers do the work of ", fused_layers_, ": the net gives ",
           fused->second[i], ", but differences of the loss give ", slope,
           "; let what AsPointwise, AsChannelAffine or AsWeightedSum says agree with Forward");
    }
    if (checked > 0 || kinks == 0) return;
    Fail("the gradient check could check no element of ", variable.name, ": at all ", kinks,
         " that it looked at, the slopes of the loss to both sides differ; give inputs with other "
         "values, or a smaller step");
  }

  const std::string& text_;
  const GradientCheckOptions& options_;
  std::unique_ptr<Net> net_;  // in which each layer does its own work
  // By name: the gradients where layers do the work of others; empty where none does.
  std::map<std::string, std::vector<double>> fused_;
  std::string fused_layers_;
  double largest_ = 0;  // of all gradients and slopes
};

}  // namespace

void CheckGradients(const std::string& net_text, const GradientCheckOptions& options) {
  CheckOptions(options);
  GradientCheck(net_text, options).Run();
}

}  // namespace crema
