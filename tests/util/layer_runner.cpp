#include "util/layer_runner.h"

#include <cmath>
#include <random>

#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "device/fake.h"
#include "schema/text_reader.h"

namespace crema::test {

std::vector<DeviceKind> TestDevices() {
  return {DeviceKind::kCpu, DeviceKind::kFake, DeviceKind::kCuda};
}

std::shared_ptr<Device> OpenTestDevice(DeviceKind kind) {
  return kind == DeviceKind::kFake ? OpenFakeDevice() : OpenDevice(kind);
}

const char* DeviceLabel(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::kCpu: return "Cpu";
    case DeviceKind::kFake: return "Fake";
    case DeviceKind::kCuda: return "Cuda";
  }
  return "?";
}

void LayerTest::SetUp() {
  if (device() == DeviceKind::kCuda && !WhyNoCuda().empty()) GTEST_SKIP() << WhyNoCuda();
}

namespace {

Layout LayoutOf(const Shape& shape, const RunnerOptions& options) {
  return shape.rank() > 2 ? options.layout : Layout::kPlain;
}

PlanInput InputFor(const std::vector<Shape>& bottoms, const RunnerOptions& options) {
  PlanInput input;
  for (const Shape& shape : bottoms) {
    input.bottoms.emplace_back(shape, options.dtype, LayoutOf(shape, options));
  }
  input.dtype = options.dtype;
  input.layout = options.layout;
  input.phase = options.phase;
  input.device = options.device;
  input.in_place = options.in_place;
  input.runs_backward = options.runs_backward;
  input.wants_gradient = options.wants_gradient;
  return input;
}

// By the engine that the options name, which must be able to take the layer.
std::unique_ptr<Layer> CreateFor(const proto::LayerParameter& config, const PlanInput& input,
                                 const RunnerOptions& options) {
  if (options.engine == "CAFFE") return CreateLayer(config, options.phase, options.device);
  for (const EngineEntry& entry : EnginesFor(config.type(), options.device)) {
    if (!entry.IsCalled(options.engine)) continue;
    const std::string why_not = entry.why_not({config, input});
    if (!why_not.empty()) Fail("not ", options.engine, ": ", why_not);
    return entry.factory(config, options.phase);
  }
  Fail("no engine ", options.engine, " for ", config.type());
}

}  // namespace

LayerRunner::LayerRunner(const std::string& layer_text, const std::vector<Shape>& bottoms,
                         const RunnerOptions& options)
    : options_(options),
      device_(OpenTestDevice(options.device)),
      context_(std::make_unique<Context>(device_, options.seed)) {
  proto::LayerParameter config;
  ReadText(layer_text, "test layer", &config);
  if (!config.has_name()) config.set_name("test");
  for (size_t i = config.bottom_size(); i < bottoms.size(); ++i) {
    config.add_bottom("bottom" + std::to_string(i));
  }
  for (int i = config.top_size(); i < options.tops; ++i) {
    config.add_top(options.in_place && i == 0 ? "bottom0" : "top" + std::to_string(i));
  }
  layer_ = CreateFor(config, InputFor(bottoms, options), options);
  Build(bottoms);
}

LayerRunner::~LayerRunner() = default;

// What nobody writes then shows.
void LayerRunner::FillWithNaN(const Tensor& tensor) const {
  if (tensor.dtype() != DType::kFloat32 && tensor.dtype() != DType::kFloat64) return;
  tensor.FromHost(std::vector<double>(tensor.count(), std::numeric_limits<double>::quiet_NaN()));
}

void LayerRunner::Reshape(const std::vector<Shape>& bottoms) { Build(bottoms); }

// Top gradients are random; tops hold NaN until they are written.
void LayerRunner::MakeTops() {
  top_.clear();
  for (size_t i = 0; i < plan_.tops.size(); ++i) {
    if (options_.in_place && i == 0) {
      top_.push_back(std::make_unique<Blob>(*bottom_[0]));
      if (options_.runs_backward) SetTopDiff(0, RandomValues(bottom_[0]->count(), 101));
      continue;
    }
    const Shape& shape = plan_.tops[i].shape;
    const DType dtype = plan_.tops[i].dtype.value_or(options_.dtype);
    const Layout layout = LayoutOf(shape, options_);
    const bool has_diff = options_.runs_backward && IsFloat(dtype);
    top_.push_back(
        std::make_unique<Blob>("top" + std::to_string(i), Tensor(device_, dtype, shape, layout),
                               has_diff ? Tensor(device_, dtype, shape, layout) : Tensor()));
    FillWithNaN(top_.back()->data_tensor());
    if (has_diff) SetTopDiff(static_cast<int>(i), RandomValues(shape.count(), 101 + i));
  }
}

void LayerRunner::Build(const std::vector<Shape>& bottoms) {
  input_ = InputFor(bottoms, options_);
  plan_ = layer_->Plan(input_);
  bottom_.clear();
  for (size_t i = 0; i < bottoms.size(); ++i) {
    const Layout layout = LayoutOf(bottoms[i], options_);
    bottom_.push_back(std::make_unique<Blob>("bottom" + std::to_string(i),
                                             Tensor(device_, options_.dtype, bottoms[i], layout),
                                             Tensor(device_, options_.dtype, bottoms[i], layout)));
    SetBottom(static_cast<int>(i), RandomValues(bottoms[i].count(), 11 + i));
  }
  MakeTops();
  for (size_t i = param_.size(); i < plan_.params.size(); ++i) {
    const Shape& shape = plan_.params[i].shape;
    param_.push_back(std::make_unique<Blob>("param" + std::to_string(i),
                                            Tensor(device_, options_.dtype, shape),
                                            Tensor(device_, options_.dtype, shape)));
    const std::vector<float> first =
        Fill(plan_.params[i].filler, shape, options_.seed, 1000 + i, "test layer");
    SetParam(static_cast<int>(i), std::vector<double>(first.begin(), first.end()));
  }
  ASSERT_EQ(param_.size(), plan_.params.size());
  std::vector<Tensor> state;
  for (const TensorSpec& wanted : plan_.state) {
    state.emplace_back(device_, wanted.dtype.value_or(options_.dtype), wanted.shape);
  }
  BlobList params;
  std::vector<bool> wants;
  for (size_t i = 0; i < param_.size(); ++i) {
    params.push_back(param_[i].get());
    const bool asked = i >= options_.wants_gradient.size() || options_.wants_gradient[i];
    wants.push_back(plan_.params[i].learned && asked);
  }
  options_.wants_gradient = wants;
  layer_->Bind(params, state, wants);
  if (!started_) layer_->Start(*context_);
  started_ = true;
}

void LayerRunner::SetBottom(int i, const std::vector<double>& values) {
  bottom_[i]->data_tensor().FromHost(values);
}
void LayerRunner::SetParam(int i, const std::vector<double>& values) {
  param_[i]->data_tensor().FromHost(values);
}
void LayerRunner::SetTop(int i, const std::vector<double>& values) {
  top_[i]->data_tensor().FromHost(values);
}
void LayerRunner::SetTopDiff(int i, const std::vector<double>& values) {
  top_[i]->diff_tensor().FromHost(values);
}
std::vector<double> LayerRunner::Bottom(int i) const {
  return bottom_[i]->data_tensor().ToHost<double>();
}
std::vector<double> LayerRunner::BottomDiff(int i) const {
  return bottom_[i]->diff_tensor().ToHost<double>();
}
std::vector<double> LayerRunner::Top(int i) const {
  return top_[i]->data_tensor().ToHost<double>();
}
std::vector<double> LayerRunner::TopDiff(int i) const {
  return top_[i]->diff_tensor().ToHost<double>();
}
std::vector<double> LayerRunner::Param(int i) const {
  return param_[i]->data_tensor().ToHost<double>();
}
std::vector<double> LayerRunner::ParamDiff(int i) const {
  return param_[i]->diff_tensor().ToHost<double>();
}

namespace {
BlobList Pointers(const std::vector<std::unique_ptr<Blob>>& blobs) {
  BlobList list;
  for (const auto& blob : blobs) list.push_back(blob.get());
  return list;
}
}  // namespace

BlobList LayerRunner::bottom_blobs() const { return Pointers(bottom_); }
BlobList LayerRunner::top_blobs() const { return Pointers(top_); }

// The tops as the data want them, at the start of the memory planned for them.
void LayerRunner::FollowData() {
  const std::vector<Shape> shapes = layer_->ShapesOfTops(*context_, bottom_blobs());
  ASSERT_EQ(shapes.size(), top_.size());
  for (size_t t = 0; t < shapes.size(); ++t) {
    const Blob& top = *top_[t];
    const auto view = [&](const Tensor& tensor) {
      if (tensor.empty()) return Tensor();
      return Tensor(tensor.buffer(), 0, tensor.dtype(), shapes[t]);
    };
    *top_[t] = Blob(top.name(), view(top.data_tensor()), view(top.diff_tensor()));
  }
}

void LayerRunner::Forward() {
  if (layer_->traits().shapes_depend_on_data) FollowData();
  layer_->Forward(*context_, bottom_blobs(), top_blobs());
  device_->Synchronize();
}

std::vector<bool> LayerRunner::DefaultPropagateDown() const {
  std::vector<bool> propagate(bottom_.size(), true);
  const LayerTraits traits = layer_->traits();
  for (const auto& bottoms : {traits.no_gradient_bottoms, traits.zero_gradient_bottoms}) {
    for (int i : bottoms) {
      if (i < static_cast<int>(propagate.size())) propagate[i] = false;
    }
  }
  return propagate;
}

void LayerRunner::Backward(std::vector<bool> propagate_down) {
  if (propagate_down.empty()) propagate_down = DefaultPropagateDown();
  for (int p = 0; p < params(); ++p) {
    const Tensor& gradient = param_[p]->diff_tensor();
    const bool overwrites = layer_->traits().overwrites_gradients && wants_gradient(p);
    layer_->SetOverwriteGradient(p, overwrites);
    if (overwrites) {
      FillWithNaN(gradient);
    } else {
      device_->Zero(gradient.raw(), gradient.bytes());
    }
  }
  layer_->Backward(*context_, top_blobs(), propagate_down, bottom_blobs());
  device_->Synchronize();
}

std::vector<double> RandomValues(int64_t count, uint64_t seed, double mean, double deviation) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = normal(engine);
  return values;
}

std::vector<double> RandomLabels(int64_t count, int below, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = static_cast<double>(engine() % static_cast<uint64_t>(below));
  return values;
}

void ExpectNear(const std::vector<double>& actual, const std::vector<double>& expected,
                double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    const double scale = std::max({1.0, std::fabs(actual[i]), std::fabs(expected[i])});
    ASSERT_NEAR(actual[i], expected[i], tolerance * scale) << "element " << i;
  }
}

namespace {

double Objective(LayerRunner& runner, const std::vector<std::vector<double>>& weights,
                 const GradientCheck& check) {
  if (check.reset) check.reset(runner);
  runner.Forward();
  double sum = 0;
  for (int t = 0; t < runner.tops(); ++t) {
    const std::vector<double> top = runner.Top(t);
    for (size_t i = 0; i < top.size(); ++i) sum += weights[t][i] * top[i];
  }
  return sum;
}

// Checks d(objective)/d(values) against `analytic` for a vector that `set` writes.
void CheckVector(LayerRunner& runner, const std::vector<std::vector<double>>& weights,
                 const GradientCheck& check, std::vector<double> values,
                 const std::vector<double>& analytic, bool kinks, const std::string& what,
                 const std::function<void(const std::vector<double>&)>& set) {
  for (size_t i = 0; i < values.size(); ++i) {
    const double middle = values[i];
    if (kinks && std::fabs(middle - check.kink) <= check.kink_range) continue;
    values[i] = middle + check.step;
    set(values);
    const double above = Objective(runner, weights, check);
    values[i] = middle - check.step;
    set(values);
    const double below = Objective(runner, weights, check);
    values[i] = middle;
    const double numeric = (above - below) / (2 * check.step);
    const double scale = std::max({1.0, std::fabs(numeric), std::fabs(analytic[i])});
    ASSERT_NEAR(analytic[i], numeric, check.tolerance * scale) << what << ", element " << i;
  }
  set(values);
}

}  // namespace

void CheckGradients(LayerRunner& runner, const GradientCheck& check) {
  std::vector<std::vector<double>> weights;
  for (int t = 0; t < runner.tops(); ++t) weights.push_back(runner.TopDiff(t));
  if (check.reset) check.reset(runner);
  runner.Forward();
  runner.Backward();
  const std::vector<bool> propagate = runner.DefaultPropagateDown();
  std::vector<std::vector<double>> bottom_diffs, param_diffs;
  for (int b = 0; b < runner.bottoms(); ++b) bottom_diffs.push_back(runner.BottomDiff(b));
  for (int p = 0; p < runner.params(); ++p) param_diffs.push_back(runner.ParamDiff(p));
  for (int b = 0; b < runner.bottoms(); ++b) {
    if (!propagate[b]) continue;
    CheckVector(runner, weights, check, runner.Bottom(b), bottom_diffs[b], true,
                "bottom " + std::to_string(b),
                [&](const std::vector<double>& values) { runner.SetBottom(b, values); });
  }
  for (int p = 0; p < runner.params(); ++p) {
    if (!runner.wants_gradient(p)) continue;
    CheckVector(runner, weights, check, runner.Param(p), param_diffs[p], false,
                "param " + std::to_string(p),
                [&](const std::vector<double>& values) { runner.SetParam(p, values); });
  }
}

void ExpectError(const std::function<void()>& action, const std::vector<std::string>& parts) {
  try {
    action();
  } catch (const Error& error) {
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "'" << part << "' is not in: " << error.what();
    }
    return;
  }
  ADD_FAILURE() << "no error was thrown";
}

}  // namespace crema::test
