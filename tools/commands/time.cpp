// crema time: how long a net's passes take, as a whole and by layer.
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <optional>

#include "base/in_source.h"
#include "base/same_file.h"
#include "base/strings.h"
#include "commands/command.h"
#include "commands/flags.h"
#include "commands/time_report.h"
#include "crema.pb.h"
#include "crema/dev/filler.h"
#include "crema/trainer.h"
#include "device/memory_size.h"
#include "files_of_nets.h"
#include "progress.h"
#include "schema/binary_io.h"
#include "schema/text_reader.h"
#include "train/memory_check.h"
#include "train/report.h"

DEFINE_string(json, "", "Also write the measurements to this file");

namespace crema {
namespace {

class Stopwatch {
 public:
  double Milliseconds() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n == 0 ? 0 : (values[n / 2] + values[(n - 1) / 2]) / 2;
}

// Measuring must not touch the files that the net writes: another layer that takes any bottoms
// stands in for those that write.
void WriteNoFiles(proto::NetParameter* net) {
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (layer.type() != "HDF5Output") continue;
    LOG(INFO) << "layer '" << layer.name() << "' (HDF5Output): its file is not written";
    layer.set_type("Silence");
    layer.clear_hdf5_output_param();
  }
}

// Training as a solver file would have it. The rate does not matter, and with 0 a net without a
// loss can be measured, too.
std::unique_ptr<Trainer> MakeTrainer(const proto::NetParameter& config,
                                     std::shared_ptr<Device> device) {
  proto::SolverParameter solver;
  ReadText(
      "base_lr: 0 lr_policy: 'fixed' momentum: 0.9 weight_decay: 0.0005 max_iter: 1 "
      "random_seed: 1 snapshot_after_train: false display: 0",
      "crema time", &solver);
  *solver.mutable_net_param() = config;
  TrainOptions options;
  options.device = std::move(device);
  options.threads = ThreadsFromFlags();
  options.fuse = !FLAGS_no_fuse;
  const int level = FLAGS_minloglevel;
  FLAGS_minloglevel = std::max(level, static_cast<int>(google::GLOG_WARNING));  // not of solving
  auto trainer = std::make_unique<Trainer>(solver, options);
  FLAGS_minloglevel = level;
  return trainer;
}

// A net that is measured: one that trains, or one that only runs forward.
class Subject {
 public:
  explicit Subject(bool trains) : trains_(trains) {
    proto::NetParameter config = NetFromFlags(trains ? Phase::kTrain : Phase::kTest);
    WriteNoFiles(&config);
    const auto device = DeviceFromFlags();
    const std::string title = TitleOfNetFromFlags(trains ? Phase::kTrain : Phase::kTest);
    if (trains) {
      trainer_ = InSource(title, [&] { return MakeTrainer(config, device); });
      return;
    }
    NetOptions options;
    options.backward = false;
    options.threads = ThreadsFromFlags();
    options.fuse = !FLAGS_no_fuse;
    if (FLAGS_no_slices) options.slice_bytes = 0;
    net_ = InSource(title,
                    [&] { return MakeNetToRun(config, device, options, MemoryOfDevice(*device)); });
    FillImages();
  }

  bool trains() const { return trains_; }
  Net& net() { return trains_ ? trainer_->net() : *net_; }
  void Wait() { net().context().device().Synchronize(); }

  // Nothing is measured inside.
  void RunIteration(int64_t step) {
    if (trains_) {
      trainer_->Step(1);
    } else {
      net_->Forward(static_cast<uint64_t>(step));
      net_->CheckAfterForward();
    }
    Wait();
  }
  void Update() {
    trainer_->ApplyUpdate();
    Wait();
  }

 private:
  // Numbers as a data layer would give them; zeros would flatter processors that clock by the load.
  void FillImages() {
    FillerSpec normal;
    normal.type = "gaussian";
    for (size_t i = 0; i < net_->graph().blobs.size(); ++i) {
      const BlobNode& blob = net_->graph().blobs[i];
      const bool is_input = net_->graph().layers[blob.producer].traits.tops_take_any_shape;
      if (!is_input || blob.shape.rank() < 3 || IsLabel(static_cast<int>(i))) continue;
      net_->blob(static_cast<int>(i)).data_tensor().FromHost(Fill(normal, blob.shape, 1, i, ""));
    }
  }

  // Read as whole numbers, or nobody knows how, by a layer or behind a Split.
  bool IsLabel(int blob) const {
    const auto& layers = net_->graph().layers;
    return std::any_of(layers.begin(), layers.end(),
                       [&](const LayerNode& node) { return TakesAsLabel(node, blob); });
  }
  bool TakesAsLabel(const LayerNode& node, int blob) const {
    const auto bottom = std::find(node.bottoms.begin(), node.bottoms.end(), blob);
    if (bottom == node.bottoms.end()) return false;
    const auto& labels = node.traits.no_gradient_bottoms;
    const auto index = static_cast<int>(bottom - node.bottoms.begin());
    const bool is_listed = std::find(labels.begin(), labels.end(), index) != labels.end();
    if (is_listed || !node.traits.has_backward) return true;
    return node.traits.tops_share_bottom_data &&
           std::any_of(node.tops.begin(), node.tops.end(),
                       [&](int top) { return top != blob && IsLabel(top); });
  }

  bool trains_;
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<Net> net_;
};

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

struct Times {
  std::vector<double> forward, backward;          // by layer, ms, summed over the iterations
  std::vector<double> all_forward, all_backward;  // by iteration
};

// Waits after each layer, so that on a GPU the time is the layer's own. Of layers that several
// threads run for parts of the batch it is what each takes in the mean.
class LayerTimer : public PassObserver {
 public:
  explicit LayerTimer(Subject* subject) : subject_(*subject) {
    for (const Slices& slices : subject_.net().graph().slices) {
      lanes_.resize(std::max(lanes_.size(), static_cast<size_t>(slices.lanes)));
    }
    for (Lane& lane : lanes_) lane.ms.resize(subject_.net().graph().layers.size());
  }

  void BeforeForward(int /*layer*/, int lane) override { lanes_[lane].watch = Stopwatch(); }
  void AfterForward(int layer, int lane) override {
    subject_.Wait();  // only a GPU has something to wait for, and no lanes
    lanes_[lane].ms[layer] += lanes_[lane].watch.Milliseconds();
  }

  double Milliseconds(int layer) const {
    double sum = 0;
    int lanes = 0;  // that ran it
    for (const Lane& lane : lanes_) {
      sum += lane.ms[layer];
      lanes += lane.ms[layer] > 0 ? 1 : 0;
    }
    return lanes > 1 ? sum / lanes : sum;
  }

 private:
  struct Lane {
    Stopwatch watch;
    std::vector<double> ms;  // by layer
  };
  Subject& subject_;
  std::vector<Lane> lanes_{1};
};

void TimeLayers(Subject* subject, int iteration, Times* times) {
  Net& net = subject->net();
  const int layers = static_cast<int>(net.graph().layers.size());
  LayerTimer timer(subject);
  const Stopwatch forward;
  net.Forward(static_cast<uint64_t>(iteration), &timer);
  times->all_forward.push_back(forward.Milliseconds());
  for (int i = 0; i < layers; ++i) times->forward[i] += timer.Milliseconds(i);
  if (!subject->trains()) return;
  const Stopwatch backward;
  net.ClearGradients();
  for (int i = layers - 1; i >= 0; --i) {
    const Stopwatch watch;
    net.BackwardLayer(i);
    subject->Wait();
    times->backward[i] += watch.Milliseconds();
  }
  times->all_backward.push_back(backward.Milliseconds());
}

// What Caffe prints, in its words.
Times LogLayerTimes(Subject* subject, Progress* progress) {
  const auto& layers = subject->net().graph().layers;
  Times times{std::vector<double>(layers.size(), 0), std::vector<double>(layers.size(), 0), {}, {}};
  const Stopwatch total;
  for (int i = 0; i < FLAGS_iterations; ++i) {
    const Stopwatch watch;
    TimeLayers(subject, i + 1, &times);
    LOG(INFO) << "Iteration: " << i + 1
              << (subject->trains() ? " forward-backward time: " : " forward time: ")
              << watch.Milliseconds() << " ms.";
    progress->Add();
  }
  const double total_ms = total.Milliseconds();
  const double n = FLAGS_iterations;
  LOG(INFO) << "Average time per layer: ";
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].absorbed_by >= 0) continue;
    const std::string& name = layers[i].layer->name();
    LOG(INFO) << std::setw(10) << name << "\tforward: " << times.forward[i] / n << " ms.";
    if (!subject->trains()) continue;
    LOG(INFO) << std::setw(10) << name << "\tbackward: " << times.backward[i] / n << " ms.";
  }
  LOG(INFO) << "Average Forward pass: " << Mean(times.all_forward) << " ms.";
  if (subject->trains()) {
    LOG(INFO) << "Average Backward pass: " << Mean(times.all_backward) << " ms.";
    LOG(INFO) << "Average Forward-Backward: " << total_ms / n << " ms.";
  }
  LOG(INFO) << "Total Time: " << total_ms << " ms.";
  return times;
}

// The best of a few products of 1024 x 1024, GFLOP/s, as an InnerProduct runs them on the device.
double SgemmPeak(const std::shared_ptr<Device>& device) {
  constexpr double kSize = 1024;
  proto::NetParameter config;
  ReadText(
      "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 1024 dim: 1024 } } }"
      "layer { name: 'y' type: 'InnerProduct' bottom: 'x' top: 'y' inner_product_param { "
      "num_output: 1024 bias_term: false weight_filler { type: 'uniform' } } }",
      "crema time", &config);
  NetOptions options;
  options.backward = false;
  options.threads = ThreadsFromFlags();
  Net net(config, device, options);
  double best = 0;
  for (int i = 0; i < 8; ++i) {
    const Stopwatch watch;
    net.Forward(0);
    device->Synchronize();
    if (i > 0) best = std::max(best, 2 * kSize * kSize * kSize / watch.Milliseconds() / 1e6);
  }
  return best;
}

// Backward makes a product as large as forward's for the gradient of the bottom, and another one
// for that of the weights.
double BackwardFlops(const LayerNode& node, const Graph& graph) {
  if (!node.runs_backward) return 0;
  const auto is_true = [](bool value) { return value; };
  const auto learns = [&](int p) { return graph.params[p].wants_gradient; };
  const bool bottom = std::any_of(node.propagate_down.begin(), node.propagate_down.end(), is_true);
  const bool weights = std::any_of(node.params.begin(), node.params.end(), learns);
  return node.layer->ForwardFlops() * (int{bottom} + int{weights});
}

std::vector<LayerTime> LayerTimes(const Graph& graph, const Times& times) {
  std::vector<LayerTime> all;
  for (size_t l = 0; l < graph.layers.size(); ++l) {
    const LayerNode& node = graph.layers[l];
    if (node.absorbed_by >= 0) continue;
    LayerTime time;
    time.name = node.layer->name();
    time.type = node.layer->type();
    std::vector<std::string> with;
    for (int follower : node.absorbed) with.push_back(graph.layers[follower].layer->name());
    time.with = Join(with);
    time.forward_ms = times.forward[l] / FLAGS_iterations;
    time.backward_ms = times.backward[l] / FLAGS_iterations;
    time.forward_flops = node.layer->ForwardFlops() * node.parts;
    time.backward_flops = BackwardFlops(node, graph);
    all.push_back(time);
  }
  return all;
}

uint64_t PeakBytes(const Net& net, DeviceKind device) {
  if (device != DeviceKind::kCpu) return net.memory().Total();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

// Whole iterations, then the parts of each.
TimeReport MeasureIterations(Subject* subject, Progress* progress) {
  TimeReport report;
  Net& net = subject->net();
  std::vector<double> iteration, forward, backward, update;
  for (int i = 0; i < FLAGS_iterations; ++i) {
    const Stopwatch watch;
    subject->RunIteration(i);
    iteration.push_back(watch.Milliseconds());
    progress->Add();
  }
  for (int i = 0; i < FLAGS_iterations; ++i) {
    const Stopwatch watch;
    net.Forward(static_cast<uint64_t>(i));
    subject->Wait();
    forward.push_back(watch.Milliseconds());
    progress->Add();
    if (!subject->trains()) continue;
    const Stopwatch backward_watch;
    net.ClearGradients();
    net.Backward();
    subject->Wait();
    backward.push_back(backward_watch.Milliseconds());
    const Stopwatch update_watch;
    subject->Update();
    update.push_back(update_watch.Milliseconds());
  }
  const Graph& graph = net.graph();
  const Shape& first = graph.blobs[0].shape;
  report.net = net.name();
  report.trains = subject->trains();
  report.iterations = FLAGS_iterations;
  report.batch = first.rank() > 0 ? first[0] : 1;
  report.iteration_ms = Median(iteration);
  report.iteration_mean_ms = Mean(iteration);
  report.forward_ms = Median(forward);
  report.backward_ms = Median(backward);
  report.update_ms = Median(update);
  report.images_per_second = 1000.0 * static_cast<double>(report.batch) / report.iteration_ms;
  report.peak_bytes = PeakBytes(net, net.context().kind());
  return report;
}

// Before anything is measured.
void CheckReportFile(const Net& net) {
  if (FLAGS_json.empty()) return;
  std::vector<std::string> inputs = FilesReadBy(net);
  inputs.push_back(FLAGS_model);
  InSource("--json", [&] { CheckIsNoInput(FLAGS_json, inputs); });
  try {
    CheckWritableOrStream(FLAGS_json);
  } catch (const Error& error) {
    Fail("--json=", error);
  }
}

}  // namespace

int RunTime(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments, "model");
  if (FLAGS_iterations < 1) throw UsageError("--iterations must be 1 or more");
  Subject subject(PhaseFromFlags(Phase::kTrain) == Phase::kTrain);
  Net& net = subject.net();
  CheckReportFile(net);
  LOG(INFO) << "Performing Forward";
  net.Forward(0);
  LOG(INFO) << "Initial loss: " << FormatNumber(net.loss().ToHost<double>()[0]);
  net.CheckAfterForward();
  if (subject.trains()) {
    LOG(INFO) << "Performing Backward";
    net.Backward();
  } else {
    LOG(INFO) << "Phase TEST: inference, forward only";
  }
  subject.Wait();
  LOG(INFO) << "*** Benchmark begins ***";
  LOG(INFO) << "Testing for " << FLAGS_iterations << " iterations.";
  std::optional<Progress> progress(std::in_place, "measuring", "iterations",
                                   3 * static_cast<uint64_t>(FLAGS_iterations));
  TimeReport report = MeasureIterations(&subject, &*progress);
  report.layers = LayerTimes(net.graph(), LogLayerTimes(&subject, &*progress));
  progress.reset();
  report.peak_gflops = SgemmPeak(net.context().shared_device());
  LogReport(report);
  LOG(INFO) << "*** Benchmark ends ***";
  if (!FLAGS_json.empty()) WriteJson(report, FLAGS_json);
  return 0;
}

}  // namespace crema
