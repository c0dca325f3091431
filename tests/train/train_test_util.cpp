#include "train/train_test_util.h"

#include <algorithm>

#include "data/record_writer.h"
#include "schema/text_reader.h"
#include "schema/upgrade.h"
#include "train/snapshot_files.h"

namespace crema {

std::vector<std::string> LogCapture::With(const std::string& part) const {
  std::vector<std::string> found;
  for (const std::string& line : lines_) {
    if (Contains(line, part)) found.push_back(line);
  }
  return found;
}

std::vector<std::string> LogCapture::ResultsFrom(int64_t iteration) const {
  std::vector<std::string> results;
  bool reached = false;
  for (const std::string& line : lines_) {
    if (line.rfind("Iteration ", 0) == 0) reached = std::stoll(line.substr(10)) >= iteration;
    const bool is_result = line.rfind("Iteration ", 0) == 0 || line.rfind("    T", 0) == 0;
    if (reached && is_result) results.push_back(WithoutSpeed(line));
  }
  return results;
}

std::string WithoutSpeed(const std::string& line) {
  const size_t begin = line.find(" ("), end = line.find(" iters)");
  if (begin == std::string::npos || end == std::string::npos) return line;
  return line.substr(0, begin) + line.substr(end + 7);
}

void MakeImages(const std::string& path, int count, int channels, int size, int classes) {
  RecordWriter writer(Backend::kLmdb, path);
  for (int i = 0; i < count; ++i) {
    proto::Datum datum;
    datum.set_channels(channels);
    datum.set_height(size);
    datum.set_width(size);
    datum.set_label(i % classes);
    std::string pixels(static_cast<size_t>(channels) * size * size, '\0');
    for (size_t p = 0; p < pixels.size(); ++p) {
      pixels[p] = static_cast<char>((i * 37 + p * (11 + i % classes * 6) + p * p % 97) % 251);
    }
    datum.set_data(pixels);
    writer.Put(Concat(100000 + i), datum.SerializeAsString());
  }
  writer.Finish();
}

proto::SolverParameter ParseSolver(const std::string& text, const std::string& more) {
  proto::SolverParameter solver, changes;
  ReadText(text, "solver", &solver);
  ReadText(more, "solver", &changes);
  solver.MergeFrom(changes);
  UpgradeSolver("solver", &solver);
  return solver;
}

std::unique_ptr<Trainer> MakeTrainer(const proto::SolverParameter& solver,
                                     const std::string& resume_from, std::function<Action()> poll,
                                     DType dtype) {
  TrainOptions options;
  options.dtype = dtype;
  options.resume_from = resume_from;
  options.poll = std::move(poll);
  return std::make_unique<Trainer>(solver, options);
}

std::vector<double> WeightsOf(const Trainer& trainer) {
  return const_cast<Trainer&>(trainer).net().flat_params().ToHost<double>();
}

proto::SolverState ReadState(const std::string& path) {
  proto::SolverState state;
  EXPECT_TRUE(state.ParseFromString(ReadTestFile(path))) << path;
  state.DiscardUnknownFields();
  return state;
}

void WriteState(const std::string& path, const proto::SolverState& state) {
  WriteTestFile(path, state.has_progress() ? StateBytes(path, state) : state.SerializeAsString());
}

std::vector<std::string> FilesIn(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string TinyNet() {
  return R"(net_param {
    name: "tiny"
    layer { name: "data" type: "DummyData" top: "data" top: "label"
      dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 }
        data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" value: 1 } } }
    layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
      inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
  } )";
}

std::string TinySolver(const std::filesystem::path& folder) {
  return TinyNet() +
         "base_lr: 0.1 momentum: 0.9 lr_policy: 'fixed' random_seed: 5 max_iter: 10 "
         "snapshot_prefix: '" +
         (folder / "tiny").string() + "' ";
}

}  // namespace crema
