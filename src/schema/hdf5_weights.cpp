#include "schema/hdf5_weights.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "crema.pb.h"
#include "crema/base/error.h"
#include "schema/binary_io.h"
#include "schema/hdf5_io.h"

namespace crema {
namespace {

constexpr int kMostBlobs = 10000;
// Groups may hold themselves, so both are limited.
constexpr int kDeepestGroup = 32, kMostGroups = 100000;

bool IsNumber(const std::string& name) {
  return !name.empty() && name.size() < 6 &&
         name.find_first_not_of("0123456789") == std::string::npos;
}

SavedBlob ReadBlob(const Hdf5File& file, const std::string& dataset) {
  SavedBlob blob;
  blob.shape = file.Shape(dataset);
  if (file.HoldsDoubles(dataset)) {
    blob.double_data = file.ReadDoubles(dataset);
    blob.data.assign(blob.double_data.begin(), blob.double_data.end());
  } else {
    blob.data = file.ReadFloats(dataset);
  }
  return blob;
}

// Layers' names may have slashes, which make groups in groups: a layer is a group with numbers in
// it, or with nothing.
class LayerReader {
 public:
  explicit LayerReader(const Hdf5File& file) : file_(file) {}
  void Read(const std::string& group, const std::string& name, int depth);
  std::vector<SavedLayer> Take() { return std::move(layers_); }

 private:
  const Hdf5File& file_;
  std::vector<SavedLayer> layers_;
  int groups_ = 0;
};

void LayerReader::Read(const std::string& group, const std::string& name, int depth) {
  if (depth > kDeepestGroup || ++groups_ > kMostGroups) {
    Fail(file_.path(), ": its groups are nested without an end; the file is damaged");
  }
  const std::vector<std::string> names = file_.Names(group);
  int blobs = 0;
  for (const std::string& entry : names) {
    if (entry.back() == '/') {
      const std::string inner = entry.substr(0, entry.size() - 1);
      Read(group + "/" + inner, name.empty() ? inner : name + "/" + inner, depth + 1);
    } else if (IsNumber(entry)) {
      blobs = std::max(blobs, std::stoi(entry) + 1);
    }
  }
  if (name.empty() || (blobs == 0 && !names.empty())) return;
  if (blobs > kMostBlobs) Fail(file_.path(), ": layer '", name, "' has too many blobs");
  SavedLayer layer{name, "", {}};
  for (int i = 0; i < blobs; ++i) {
    const std::string dataset = Concat(group, "/", i);
    layer.blobs.push_back(file_.Has(dataset) ? ReadBlob(file_, dataset) : SavedBlob{});
  }
  layers_.push_back(layer);
}

std::vector<int64_t> ShapeOf(const proto::BlobProto& blob) {
  return std::vector<int64_t>(blob.shape().dim().begin(), blob.shape().dim().end());
}

void WriteBlob(const proto::BlobProto& blob, const std::string& dataset, Hdf5File* file) {
  if (blob.double_data_size() > 0) {
    file->Write(dataset, ShapeOf(blob), blob.double_data().data());
  } else {
    file->Write(dataset, ShapeOf(blob), blob.data().data());
  }
}

void WriteGradient(const proto::BlobProto& blob, const std::string& dataset, Hdf5File* file) {
  if (blob.double_diff_size() > 0) {
    file->Write(dataset, ShapeOf(blob), blob.double_diff().data());
  } else if (blob.diff_size() > 0) {
    file->Write(dataset, ShapeOf(blob), blob.diff().data());
  }
}

std::vector<SavedLayer> ReadLayers(const std::string& path) {
  const Hdf5File file = Hdf5File::Open(path);
  const std::vector<std::string> names = file.Names("");
  if (std::find(names.begin(), names.end(), "data/") == names.end()) {
    const bool is_state = file.Has("iter") && file.Has("learned_net");
    Fail(path, is_state ? ": is a solver state, not weights; give it with --snapshot"
                        : ": is an HDF5 file, but not one of weights: it has no group 'data'");
  }
  LayerReader reader(file);
  reader.Read("data", "", 0);
  return reader.Take();
}

void ReadState(const std::string& path, proto::SolverState* state) {
  const Hdf5File file = Hdf5File::Open(path);
  if (!file.Has("iter") || !file.Has("learned_net")) {
    Fail(path, ": is not a solver state: it has no datasets 'iter' and 'learned_net'");
  }
  state->Clear();
  const int64_t iteration = file.ReadInteger("iter");
  if (iteration < 0 || iteration > std::numeric_limits<int>::max()) {
    Fail(path, ": its iteration is ", iteration, "; the file is damaged");
  }
  state->set_iter(static_cast<int>(iteration));
  state->set_learned_net(file.ReadText("learned_net"));
  if (file.Has("current_step")) {
    state->set_current_step(static_cast<int>(file.ReadInteger("current_step")));
  }
  for (int i = 0; file.Has(Concat("history/", i)); ++i) {
    ToProto(ReadBlob(file, Concat("history/", i)), false, state->add_history());
  }
  if (!file.Has("crema_progress")) return;
  ReadBinary(file.ReadText("crema_progress"), path + ": crema_progress", "a training state",
             state->mutable_progress());
}

}  // namespace

std::vector<SavedLayer> ReadHdf5Weights(const std::string& path) {
  std::vector<SavedLayer> layers;
  TryAndRead(path, [&] { layers = ReadLayers(path); });
  return layers;
}

std::string Hdf5WeightsBytes(const proto::NetParameter& net, const std::string& path) {
  Hdf5File file = Hdf5File::CreateInMemory(path);
  file.MakeGroup("data");
  bool has_gradients = false;
  for (const proto::LayerParameter& layer : net.layer()) {
    file.MakeGroup("data/" + layer.name());
    for (int b = 0; b < layer.blobs_size(); ++b) {
      const proto::BlobProto& blob = layer.blobs(b);
      const std::string dataset = Concat("data/", layer.name(), "/", b);
      if (file.Has(dataset)) continue;  // two layers of one name, of which one has parameters
      WriteBlob(blob, dataset, &file);
      has_gradients = has_gradients || blob.diff_size() > 0 || blob.double_diff_size() > 0;
    }
  }
  for (const proto::LayerParameter& layer : net.layer()) {
    if (!has_gradients) break;
    file.MakeGroup("diff/" + layer.name());
    for (int b = 0; b < layer.blobs_size(); ++b) {
      WriteGradient(layer.blobs(b), Concat("diff/", layer.name(), "/", b), &file);
    }
  }
  return file.Bytes();
}

void ReadHdf5State(const std::string& path, proto::SolverState* state) {
  TryAndRead(path, [&] { ReadState(path, state); });
}

std::string Hdf5StateBytes(const proto::SolverState& state, const std::string& path) {
  Hdf5File file = Hdf5File::CreateInMemory(path);
  file.WriteInteger("iter", state.iter());
  file.WriteText("learned_net", state.learned_net());
  file.WriteInteger("current_step", state.current_step());
  file.MakeGroup("history");
  for (int i = 0; i < state.history_size(); ++i) {
    WriteBlob(state.history(i), Concat("history/", i), &file);
  }
  file.WriteBytes("crema_progress", SerializeToBytes(state.progress(), path));
  return file.Bytes();
}

}  // namespace crema
