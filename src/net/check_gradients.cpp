#include "crema/dev/check_gradients.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>

#include "crema.pb.h"
#include "crema/net.h"
#include "schema/upgrade.h"

namespace crema {
namespace {

// Slopes of a smooth function to both sides of a point differ little.
constexpr double kKink = 1e-2;
// What rounding may make of a gradient that is 0.
constexpr double kRounding = 1e-9;

std::unique_ptr<Net> MakeNet(const std::string& text, const GradientCheckOptions& options) {
  proto::NetParameter config;
  ReadNetText(text, "the net of the gradient check", &config);
  config.mutable_state()->set_phase(proto::TRAIN);
  config.set_force_backward(true);
  NetOptions net;
  net.dtype = DType::kFloat64;
  const auto device = options.device ? options.device : OpenDevice(DeviceKind::kCpu);
  return std::make_unique<Net>(config, device, net);
}

// Values that the loss depends on, and the net's gradient of it.
struct Variable {
  std::string name;
  Tensor values;
  std::vector<double> gradient;
};

class GradientCheck {
 public:
  GradientCheck(const std::string& text, const GradientCheckOptions& options)
      : options_(options), net_(MakeNet(text, options)) {}

  void Run() {
    FillInputs();
    for (const Variable& variable : Variables()) Check(variable);
    if (checked_ == 0) Fail("the gradient check found no gradient to check; the net needs a loss");
  }

 private:
  double Loss() {
    net_->Forward(0);
    return net_->loss().ToHost<double>()[0];
  }

  // The blobs that Input layers make.
  std::vector<const Blob*> Inputs() const {
    std::vector<const Blob*> inputs;
    for (const LayerNode& node : net_->graph().layers) {
      if (!node.traits.tops_take_any_shape) continue;
      for (int top : node.tops) inputs.push_back(&net_->blob(top));
    }
    return inputs;
  }

  void FillInputs() {
    std::mt19937_64 engine(1);
    std::normal_distribution<double> normal;
    for (const Blob* input : Inputs()) {
      std::vector<double> values(static_cast<size_t>(input->count()));
      for (double& value : values) value = normal(engine);
      const auto given = options_.inputs.find(input->name());
      input->data_tensor().FromHost(given == options_.inputs.end() ? values : given->second);
    }
  }

  // With the gradients of one pass.
  std::vector<Variable> Variables() {
    net_->Forward(0);
    net_->ClearGradients();
    net_->Backward();
    net_->CheckAfterForward();
    std::vector<Variable> variables;
    const auto add = [&](const std::string& name, const Blob& blob) {
      variables.push_back({name, blob.data_tensor(), blob.diff_tensor().ToHost<double>()});
    };
    for (const Blob* input : Inputs()) {
      if (input->has_diff()) add(Concat("'", input->name(), "'"), *input);
    }
    for (size_t p = 0; p < net_->graph().params.size(); ++p) {
      const ParamNode& node = net_->graph().params[p];
      if (!node.wants_gradient || node.owner >= 0) continue;
      const Layer& layer = *net_->graph().layers[node.layer].layer;
      add(Concat("parameter ", node.index, " of layer '", layer.name(), "'"),
          net_->param(static_cast<int>(p)));
    }
    return variables;
  }

  // The slope of the loss along element `i`; false where it has none.
  bool Slope(const Variable& variable, std::vector<double>* values, size_t i, double* slope) {
    const double middle = (*values)[i];
    const auto loss_at = [&](double value) {
      (*values)[i] = value;
      variable.values.FromHost(*values);
      return Loss();
    };
    const double below = loss_at(middle - options_.step);
    const double above = loss_at(middle + options_.step);
    const double here = loss_at(middle);
    *slope = (above - below) / (2 * options_.step);
    const double left = (here - below) / options_.step, right = (above - here) / options_.step;
    return std::fabs(right - left) <=
           kKink * std::max(std::fabs(left), std::fabs(right)) + options_.step;
  }

  void Check(const Variable& variable) {
    double largest = 0;
    for (const double value : variable.gradient) largest = std::max(largest, std::fabs(value));
    std::vector<double> values = variable.values.ToHost<double>();
    const size_t most = static_cast<size_t>(std::max(options_.elements, 1));
    const size_t stride = (values.size() + most - 1) / most;
    for (size_t i = 0; i < values.size(); i += stride) {
      double slope = 0;
      if (!Slope(variable, &values, i, &slope)) continue;
      const double limit = options_.tolerance * std::max(largest, std::fabs(slope)) + kRounding;
      // Written so that NaN fails.
      if (!(std::fabs(variable.gradient[i] - slope) <= limit)) {
        Fail("the gradient of ", variable.name, " is wrong at element ", i, ": the net gives ",
             variable.gradient[i], ", but differences of the loss give ", slope);
      }
      ++checked_;
    }
  }

  const GradientCheckOptions& options_;
  std::unique_ptr<Net> net_;
  int64_t checked_ = 0;
};

}  // namespace

void CheckGradients(const std::string& net_text, const GradientCheckOptions& options) {
  GradientCheck(net_text, options).Run();
}

}  // namespace crema
