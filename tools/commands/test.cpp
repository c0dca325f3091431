// crema test: the outputs of a trained net, averaged over batches.
#include <glog/logging.h>

#include <iostream>
#include <map>
#include <utility>

#include "base/counted.h"
#include "base/in_source.h"
#include "commands/command.h"
#include "commands/flags.h"
#include "crema.pb.h"
#include "crema/error.h"
#include "crema/net.h"
#include "device/memory_size.h"
#include "files_of_nets.h"
#include "one_pass.h"
#include "progress.h"
#include "train/memory_check.h"
#include "train/report.h"

namespace crema {
namespace {

// Weighted means of the loss and of each element of the outputs. A smaller batch may have fewer
// elements.
class Scores {
 public:
  void Add(const Net& net, double weight) {
    std::map<std::string, int> elements;  // so far, by blob
    for (const OutputElement& output : ReadOutputs(net)) {
      LOG(INFO) << "Batch " << batches_ << ", " << output.blob << " = "
                << FormatNumber(output.value);
      Sum& sum = sums_[{output.blob, elements[output.blob]++}];
      if (sum.weight == 0) sum.output = {output.blob, output.loss_weight, 0};
      sum.output.value += weight * output.value;
      sum.weight += weight;
    }
    loss_ += weight * net.loss().ToHost<double>()[0];
    weight_ += weight;
    ++batches_;
  }

  // The log has them in Caffe's words, standard output without anything else.
  void Report() const {
    if (weight_ == 0)
      Fail("no batch could be run; use a batch_size of at most the number of records");
    LOG(INFO) << "Loss: " << FormatNumber(loss_ / weight_);
    for (const auto& [key, sum] : sums_) {
      OutputElement mean = sum.output;
      mean.value /= sum.weight;
      LOG(INFO) << FormatOutput(mean);
      std::cout << FormatOutput(mean) << "\n";
    }
  }

 private:
  struct Sum {
    OutputElement output;
    double weight = 0;
  };
  std::map<std::pair<std::string, int>, Sum> sums_;  // as the net's outputs, sorted by name
  double loss_ = 0, weight_ = 0;
  int64_t batches_ = 0;
};

NetOptions OptionsFromFlags() {
  NetOptions options;
  options.backward = false;
  options.threads = ThreadsFromFlags();
  options.fuse = !FLAGS_no_fuse;
  if (FLAGS_no_slices) options.slice_bytes = 0;
  return options;
}

void LoadWeights(Net* net) {
  const std::vector<std::string> paths = NamesFromFlag("weights", FLAGS_weights);
  std::map<std::string, size_t> lacking;  // layers, and how many files lack their weights
  for (const std::string& path : paths) {
    const WeightsReport report = net->LoadWeights(path);
    CheckSomeMatched(report, path, net->name());
    LOG(INFO) << report.ToString();
    for (const std::string& layer : report.left_out) ++lacking[layer];
  }
  for (const auto& [layer, files] : lacking) {
    if (files < paths.size()) continue;
    LOG(WARNING) << "Layer " << layer << " is tested with its initial values, because "
                 << "--weights has none for it";
  }
}

void RunBatches(uint64_t first, uint64_t count, double weight, Net* net, Scores* scores,
                Progress* progress) {
  for (uint64_t i = first; i < first + count; ++i) {
    net->Forward(i);
    net->CheckAfterForward();
    scores->Add(*net, weight);
    progress->Add();
  }
}

// A net of the same weights that goes on where `net` stopped, with a smaller batch. Null, with a
// warning, if the net cannot take it.
std::unique_ptr<Net> NetOfLastBatch(proto::NetParameter config, Net* net, uint64_t records) {
  SetBatchSize(static_cast<uint32_t>(records), &config);
  NetOptions options = OptionsFromFlags();
  options.share_params_with = options.share_memory_with = net;
  try {
    auto last = std::make_unique<Net>(config, net->context().shared_device(), options);
    last->SeekData(net->DataPositions());
    return last;
  } catch (const Error& error) {
    LOG(WARNING) << (records == 1 ? "The last record is"
                                  : "The last " + Counted(records, "record") + " are")
                 << " skipped, because the net cannot run with a batch of that size: "
                 << error.what();
    return nullptr;
  }
}

void RunOnePass(const proto::NetParameter& config, const OnePass& pass, Net* net, Scores* scores) {
  const uint64_t rest = pass.rest();
  LOG(INFO) << "One pass over " << Counted(pass.records, "record") << ": "
            << Counted(pass.full_batches(), "batch", "batches") << " of " << pass.batch
            << (rest > 0 ? Concat(" and one of ", rest) : "");
  LOG(INFO) << "Running for " << pass.full_batches() + (rest > 0 ? 1 : 0) << " iterations.";
  Progress progress("testing", "batches", pass.full_batches() + (rest > 0 ? 1 : 0));
  RunBatches(0, pass.full_batches(), static_cast<double>(pass.batch), net, scores, &progress);
  if (rest == 0) return;
  const std::unique_ptr<Net> last = NetOfLastBatch(config, net, rest);
  if (last == nullptr) return;
  RunBatches(pass.full_batches(), 1, static_cast<double>(rest), last.get(), scores, &progress);
}

// Output files are written by one net, and so with one batch size.
void MakeBatchesEven(proto::NetParameter* config, OnePass* pass, std::unique_ptr<Net>* net) {
  if (pass->rest() == 0 || !WritesFiles(**net)) return;
  const auto device = (*net)->context().shared_device();
  pass->batch = LargestEvenBatch(pass->records, pass->batch);
  LOG(INFO) << "The batch size is changed to " << pass->batch << ", which divides the "
            << pass->records << " records, so that the file contains each record once";
  SetBatchSize(static_cast<uint32_t>(pass->batch), config);
  net->reset();
  *net = std::make_unique<Net>(*config, device, OptionsFromFlags());
}

}  // namespace

int RunTest(const std::vector<std::string>& arguments) {
  TakesNoArguments(arguments, "model");
  if (FLAGS_weights.empty()) throw UsageError("--weights=FILE is missing");
  NamesFromFlag("weights", FLAGS_weights);
  if (FLAGS_iterations < 1) throw UsageError("--iterations must be 1 or more");
  const bool asks_number = !gflags::GetCommandLineFlagInfoOrDie("iterations").is_default;
  proto::NetParameter config = NetFromFlags(Phase::kTest);
  const std::shared_ptr<Device> device = DeviceFromFlags();
  auto net = InSource(
      TitleOfNetFromFlags(Phase::kTest),
      [&] { return MakeNetToRun(config, device, OptionsFromFlags(), MemoryOfDevice(*device)); },
      InFile(FLAGS_model).place());
  CheckNoOpenInputs(*net,
                    "test reads its data from layers such as Data or ImageData, so use a net that "
                    "has one (usually called train_val.prototxt)");
  std::vector<std::string> inputs = NamesFromFlag("weights", FLAGS_weights);
  inputs.push_back(FLAGS_model);
  for (const std::string& file : FilesReadBy(*net)) inputs.push_back(file);
  CheckWrittenFiles(*net, inputs);
  WarnOfLargeOutputs(*net);
  OnePass pass = PlanOnePass(*net);
  const bool whole_pass = !asks_number && pass.why_unknown.empty();
  if (whole_pass) MakeBatchesEven(&config, &pass, &net);
  LoadWeights(net.get());
  Scores scores;
  if (whole_pass) {
    RunOnePass(config, pass, net.get(), &scores);
  } else {
    if (!asks_number) {
      LOG(INFO) << "The number of batches in one pass is unknown: " << pass.why_unknown;
    }
    LOG(INFO) << "Running for " << FLAGS_iterations << " iterations.";
    const auto batches = static_cast<uint64_t>(FLAGS_iterations);
    Progress progress("testing", "batches", batches);
    RunBatches(0, batches, 1, net.get(), &scores, &progress);
  }
  FinishFiles(*net);
  scores.Report();
  return 0;
}

}  // namespace crema
