#include "predict/predictor_state.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sstream>

#include "base/counted.h"
#include "base/in_source.h"
#include "base/ranges.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/dev/compile.h"
#include "crema/error.h"
#include "device/memory_size.h"
#include "net/memory_limit.h"
#include "predict/read_net.h"

namespace crema {
namespace {

constexpr int64_t kLargestBatch = int64_t{1} << 31;

void CheckOptions(const PredictorOptions& options) {
  constexpr int64_t kMostGpus = 1 << 16, kMostThreads = 1024;
  CheckRange("PredictorOptions::gpu", options.gpu, -1, kMostGpus);
  CheckRange("PredictorOptions::threads", options.threads, 0, kMostThreads);
  CheckRange("PredictorOptions::batch", options.batch, 0, kLargestBatch);
  if (options.gpu >= 0 && options.device != nullptr) {
    Fail("PredictorOptions has both a gpu (", options.gpu, ") and a device (",
         options.device->name(), "); set only one of them");
  }
}

std::shared_ptr<Device> DeviceFor(const PredictorOptions& options) {
  if (options.device != nullptr) return options.device;
  if (options.gpu < 0) return OpenDevice(DeviceKind::kCpu);
  return OpenDevice(DeviceKind::kCuda, options.gpu);
}

// "conv1, conv2, conv3 and 12 more".
std::string JoinFirst(std::vector<std::string> names) {
  constexpr size_t kShown = 3;
  if (names.size() <= kShown) return Join(names);
  const size_t more = names.size() - kShown;
  names.resize(kShown);
  return Concat(Join(names), " and ", more, " more");
}

// What is wrong with `name` where `names` has one of the `what` that is meant. `others` may be
// meant, too.
[[noreturn]] void FailToFind(const std::string& file, const std::string& name, const char* what,
                             const std::vector<std::string>& names,
                             const std::vector<std::string>& others = {}) {
  const std::string all = names.empty() ? "it has none" : Concat("it has ", Join(names));
  if (name.empty()) Fail(InFile(file), ": say which ", what, " of the net is meant; ", all);
  std::string near = Nearest(name, names);
  if (near.empty()) near = Nearest(name, others);
  Fail(InFile(file), ": the net has no ", what, " '", name, "'; ",
       near.empty() ? all : Concat("did you mean '", near, "'?"));
}

constexpr char kSmaller[] = "; use a smaller batch or smaller images";

// Whether a program's numbers are all that the blob holds: layers in place may write to it, too.
bool IsOnlyInput(const Graph& graph, int blob) {
  const int producer = graph.blobs[blob].producer;
  if (!graph.layers[producer].traits.tops_take_any_shape) return false;
  return std::none_of(
      graph.layers.begin() + producer + 1, graph.layers.end(), [blob](const LayerNode& node) {
        return std::find(node.tops.begin(), node.tops.end(), blob) != node.tops.end();
      });
}

}  // namespace

PredictorState::PredictorState(const std::string& net_file, const std::string& weights_file,
                               const PredictorOptions& options)
    : file_(net_file), options_(options), turns_(std::make_shared<std::mutex>()) {
  CheckOptions(options_);
  if (net_file.empty()) Fail("a Predictor needs the name of a net's file, but got an empty one");
  config_ = ReadNetToRun(net_file, options_);
  device_ = DeviceFor(options_);
  memory_ = MemoryOfDevice(*device_);
  Build(nullptr);
  LoadWeights(weights_file);
}

PredictorState::PredictorState(const PredictorState& lender, ToShare)
    : file_(lender.file_),
      options_(lender.options_),
      config_(lender.config_),
      device_(lender.device_),
      memory_(lender.memory_),
      turns_(lender.turns_),
      lenders_(lender.lenders_) {
  lenders_.push_back(lender.net_);
  const auto turn = TakeTurn();
  Build(lender.net_.get());
}

// Memory is a device's, too.
PredictorState::~PredictorState() {
  const auto turn = TakeTurn();
  net_.reset();
  while (!lenders_.empty()) lenders_.pop_back();
}

std::unique_ptr<PredictorState> PredictorState::Share() const {
  std::unique_ptr<PredictorState> other(new PredictorState(*this, ToShare{}));
  std::map<std::string, Shape> shapes;
  for (const Input& input : inputs_) shapes[input.name] = input.shape;
  other->Reshape(shapes);
  return other;
}

void PredictorState::Build(const Net* lender) {
  NetOptions options;
  static_cast<CompileOptions&>(options) = HowToCompile();
  options.share_params_with = lender;
  if (lender != nullptr) options.memory_limit = 0;  // its weights would be counted again
  const auto build = [&] {
    try {
      return std::make_shared<Net>(*config_, device_, options);
    } catch (const MemoryLimitError& error) {
      Fail(error.what(), kSmaller);
    }
  };
  net_ = InSource(file_, build, InFile(file_).place());
  FindInputsAndOutputs();
}

CompileOptions PredictorState::HowToCompile() const {
  CompileOptions options;
  options.backward = false;
  options.threads = options_.threads;
  options.keep_blobs = options_.keep_blobs;
  options.fuse = !options_.keep_blobs;
  options.memory_limit = memory_;
  return options;
}

void PredictorState::FindInputsAndOutputs() {
  const Graph& graph = net_->graph();
  for (const LayerNode& node : graph.layers) {
    if (!node.traits.tops_take_any_shape) continue;
    for (int top : node.tops) {
      const BlobNode& blob = graph.blobs[top];
      inputs_.push_back({blob.name, top, blob.shape, Zeros(blob.name, blob.shape)});
    }
  }
  for (int output : graph.outputs) {
    if (!IsOnlyInput(graph, output)) outputs_.emplace_back(graph.blobs[output].name, output);
  }
}

void PredictorState::LoadWeights(const std::string& path) {
  if (path.empty()) {
    if (options_.partial_weights || net_->graph().params.empty()) return;
    Fail(InFile(file_),
         ": no weights are given for this net; name their file, or set "
         "PredictorOptions::partial_weights to run it with its initial values");
  }
  const WeightsReport report = net_->LoadWeights(path);
  if (options_.log) {
    std::istringstream lines(Concat(path, ": ", report.ToString()));
    for (std::string line; std::getline(lines, line);) options_.log(line);
  }
  if (report.left_out.empty()) return;
  if (report.copied.empty()) {
    Fail(InFile(path), ": has no weights for any layer of the net ", file_,
         ", which are found by name (", JoinFirst(report.left_out),
         "); use the weights of this net");
  }
  if (options_.partial_weights) return;
  Fail(InFile(path), ": has no weights for the layers ", JoinFirst(report.left_out), " of the net ",
       file_,
       "; use the weights of this net, or set PredictorOptions::partial_weights to run it with "
       "these layers' initial values");
}

std::unique_lock<std::mutex> PredictorState::TakeTurn() const {
  if (device_->kind() == DeviceKind::kCpu) return {};
  return std::unique_lock<std::mutex>(*turns_);
}

std::vector<float> PredictorState::Zeros(const std::string& input, const Shape& shape) const {
  try {
    const Shape checked(shape.dims());  // Shape::at checks nothing
    return std::vector<float>(static_cast<size_t>(checked.count()));
  } catch (const Error& error) {
    Fail(InFile(file_), ": the input '", input, "' cannot be given this shape: ", error);
  } catch (const std::bad_alloc&) {
    Fail(InFile(file_), ": out of memory for the input '", input, "' of shape ", shape.ToString(),
         kSmaller);
  }
}

std::vector<std::string> PredictorState::input_names() const {
  std::vector<std::string> names;
  for (const Input& input : inputs_) names.push_back(input.name);
  return names;
}

std::vector<std::string> PredictorState::output_names() const {
  std::vector<std::string> names;
  for (const auto& output : outputs_) names.push_back(output.first);
  return names;
}

size_t PredictorState::FindInput(const std::string& name) const {
  if (name.empty() && inputs_.size() == 1) return 0;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (!name.empty() && inputs_[i].name == name) return i;
  }
  FailToFind(file_, name, "input", input_names());
}

// The address of the old values may be among the new ones.
void PredictorState::Set(size_t input, const float* values, const Shape& shape) {
  const auto count = static_cast<size_t>(shape.count());
  if (shape == inputs_[input].shape) {
    if (count > 0) std::memmove(inputs_[input].values.data(), values, count * sizeof(float));
    return;
  }
  std::vector<float> copy = Zeros(inputs_[input].name, shape);
  std::copy_n(values, count, copy.data());
  Reshape({{inputs_[input].name, shape}});
  inputs_[input].values = std::move(copy);
}

void PredictorState::Reshape(const std::map<std::string, Shape>& shapes) {
  CheckMemory(shapes);
  std::map<std::string, Shape> changes;
  std::vector<std::pair<size_t, Input>> fresh;
  for (const auto& [name, shape] : shapes) {
    const size_t i = FindInput(name);
    const Input& input = inputs_[i];
    if (input.shape == shape) continue;
    changes[input.name] = shape;
    fresh.emplace_back(i, Input{input.name, input.blob, shape, Zeros(input.name, shape)});
  }
  if (changes.empty()) return;
  const auto turn = TakeTurn();
  try {
    net_->Reshape(changes);
  } catch (const Error& error) {
    ExplainRefusal(changes, error);
    throw;
  }
  for (auto& [i, input] : fresh) inputs_[i] = std::move(input);
  has_run_ = false;
  read_.clear();
}

// A compile takes as long as a Reshape, so it is only for what may be too much: layers take memory
// in proportion to their inputs, or to the square of them.
void PredictorState::CheckMemory(const std::map<std::string, Shape>& shapes) const {
  double growth = 1;
  std::map<std::string, Shape> all = shapes;
  for (const Input& input : inputs_) {
    const auto found = shapes.find(input.name);
    all.emplace(input.name, input.shape);
    if (found == shapes.end()) continue;
    double count = 1;  // Shape::at checks nothing
    for (int64_t extent : found->second.dims()) count *= static_cast<double>(extent);
    const auto before = static_cast<double>(std::max<int64_t>(1, input.shape.count()));
    growth = std::max(growth, count / before);
  }
  const auto now = static_cast<double>(net_->memory().Total());
  if (memory_ == 0 || growth * growth * now < static_cast<double>(memory_)) return;
  proto::NetParameter changed = *config_;
  SetInputShapes(all, &changed);
  try {
    CompileNet(changed, device_->kind(), HowToCompile());
  } catch (const MemoryLimitError& error) {
    Fail(InFile(file_), ": ", error.what(), kSmaller);
  } catch (const Error&) {  // which the net explains
  }
}

void PredictorState::ExplainRefusal(const std::map<std::string, Shape>& changes,
                                    const Error& error) const {
  for (const auto& [name, given] : changes) {
    const Shape& own = inputs_[FindInput(name)].shape;
    if (given.rank() != 4 || own.rank() != 4 || given[1] == own[1]) continue;
    if (given[3] == own[1]) {
      Fail(InFile(file_), ": the input '", name, "' was given the shape ", given.ToString(),
           ", with its ", Counted(given[3], "channel"), " last, but the net takes N x C x H x W, ",
           "here ", Shape{given[0], given[3], given[1], given[2]}.ToString(),
           "; reorder the values");
    }
    Fail(InFile(file_), ": the input '", name, "' was given ", Counted(given[1], "channel"),
         " (N x C x H x W is ", given.ToString(), "), but the net's file says ", own[1],
         ", and it cannot run with another number: ", error);
  }
}

void PredictorState::SetBatch(int64_t batch) {
  if (batch < 0 || batch > kLargestBatch) {
    Fail(InFile(file_), ": Predictor::SetBatch was given ", batch,
         ", but a batch must be from 0 to ", kLargestBatch);
  }
  std::map<std::string, Shape> shapes;
  for (const Input& input : inputs_) {
    if (input.shape.rank() == 0) continue;
    std::vector<int64_t> dims = input.shape.dims();
    dims[0] = batch;
    shapes[input.name] = Shape(std::move(dims));
  }
  Reshape(shapes);
}

void PredictorState::Run() {
  const auto turn = TakeTurn();
  has_run_ = false;
  read_.clear();
  for (const Input& input : inputs_) {
    net_->blob(input.blob).data_tensor().FromHost(input.values);
  }
  net_->Forward(0);
  net_->CheckAfterForward();
  has_run_ = true;
}

std::string PredictorState::OutputName(const std::string& name) const {
  if (!name.empty()) return name;
  if (outputs_.size() == 1) return outputs_[0].first;
  FailToFind(file_, name, "output", output_names());
}

const Blob& PredictorState::FindOutput(const std::string& name) const {
  for (const auto& [output, blob] : outputs_) {
    if (output == name) return net_->blob(blob);
  }
  if (options_.keep_blobs) {
    const Blob* blob = net_->FindBlob(name);
    if (blob != nullptr) return *blob;
  }
  std::vector<std::string> kept;
  for (const BlobNode& blob : net_->graph().blobs) {
    if (options_.keep_blobs) kept.push_back(blob.name);
    if (blob.name != name || options_.keep_blobs) continue;
    Fail(InFile(file_), ": '", name,
         "' is not an output of the net, so its values are not kept; to read ",
         "it, set PredictorOptions::keep_blobs, or use an output: ", Join(output_names()));
  }
  FailToFind(file_, name, "output", output_names(), kept);
}

const std::pair<const std::string, PredictorState::Output>& PredictorState::ReadOutput(
    const std::string& name) {
  const std::string wanted = OutputName(name);
  const auto found = read_.find(wanted);
  if (found != read_.end()) return *found;
  const Blob& blob = FindOutput(wanted);
  if (!has_run_) {
    Fail(InFile(file_), ": the output '", wanted,
         "' has no values yet; call Run first, also after the ", "inputs have got other shapes");
  }
  const auto turn = TakeTurn();
  return *read_.emplace(wanted, Output{blob.shape(), blob.data_tensor().ToHost<float>()}).first;
}

}  // namespace crema
