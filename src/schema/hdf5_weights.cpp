#include "schema/hdf5_weights.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "crema.pb.h"
#include "crema/error.h"
#include "schema/binary_io.h"
#include "schema/hdf5_io.h"

namespace crema {
namespace {

constexpr int kMostBlobs = 10000;
// Blobs of a whole file that are missing.
constexpr size_t kMostMissing = 1000;
// Groups may hold themselves, so both are limited.
constexpr int kDeepestGroup = 32, kMostGroups = 100000;
// Before a group of data/: where the layer's name is, if the group has another one.
constexpr char kNames[] = "crema_names/";

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
  LayerReader(const Hdf5File& file, bool with_gradients)
      : file_(file), with_gradients_(with_gradients) {}
  std::vector<SavedLayer> ReadAll();

 private:
  void Read(const std::string& group, const std::string& name, int depth);
  SavedBlob ReadBlobOf(const std::string& group, int index);

  const Hdf5File& file_;
  bool with_gradients_;
  std::vector<SavedLayer> layers_;
  int groups_ = 0;
  size_t missing_ = 0;
  uint64_t letters_ = 0;  // of all names
};

std::vector<SavedLayer> LayerReader::ReadAll() {
  for (const std::string& entry : file_.Names("data")) {
    if (entry.back() != '/') continue;
    const std::string group = entry.substr(0, entry.size() - 1);
    const std::string named = kNames + group;
    Read("data/" + group, file_.Has(named) ? file_.ReadText(named) : group, 1);
  }
  return std::move(layers_);
}

void LayerReader::Read(const std::string& group, const std::string& name, int depth) {
  if (depth > kDeepestGroup || ++groups_ > kMostGroups) {
    Fail(InFile(file_.path()), ": its groups are nested too deeply; the file is damaged");
  }
  letters_ += name.size();
  if (letters_ > (1 << 20) + 8 * file_.FileBytes()) {
    Fail(InFile(file_.path()),
         ": its groups have more names than it can hold; the file is damaged");
  }
  const std::vector<std::string> names = file_.Names(group);
  int blobs = 0;
  for (const std::string& entry : names) {
    if (entry.back() == '/') {
      const std::string inner = entry.substr(0, entry.size() - 1);
      Read(group + "/" + inner, name + "/" + inner, depth + 1);
    } else if (IsNumber(entry)) {
      blobs = std::max(blobs, std::stoi(entry) + 1);
    }
  }
  if (blobs == 0 && !names.empty()) return;
  if (blobs > kMostBlobs) Fail(InFile(file_.path()), ": layer '", name, "' has too many blobs");
  layers_.push_back({name, "", {}});
  for (int i = 0; i < blobs; ++i) layers_.back().blobs.push_back(ReadBlobOf(group, i));
}

// `group` begins with "data/".
SavedBlob LayerReader::ReadBlobOf(const std::string& group, int index) {
  const std::string dataset = Concat(group, "/", index);
  const std::string gradient = "diff" + dataset.substr(dataset.find('/'));
  const bool is_there = file_.Has(dataset);
  if (!is_there && ++missing_ > kMostMissing) {
    Fail(InFile(file_.path()), ": more than ", kMostMissing,
         " blobs are missing; the file is damaged");
  }
  SavedBlob blob = is_there ? ReadBlob(file_, dataset) : SavedBlob{};
  if (!with_gradients_ || !file_.Has(gradient)) return blob;
  SavedBlob read = ReadBlob(file_, gradient);
  blob.diff = std::move(read.data);
  blob.double_diff = std::move(read.double_data);
  return blob;
}

// Whether the library takes a name for the same groups in groups as the reader above.
bool IsPath(const std::string& name) {
  int groups = 0;
  for (std::string_view rest = name;; rest.remove_prefix(rest.find('/') + 1)) {
    const std::string_view group = rest.substr(0, rest.find('/'));
    if (group.empty() || group == "." || ++groups > kDeepestGroup) return false;
    if (group.size() == rest.size()) break;
  }
  return name.find('\0') == std::string::npos;
}

// Whether a layer's name leads through another layer's blob, as "a/0" does if "a" has a blob.
bool MeetsBlob(const std::string& name, const std::set<std::string>& blobs) {
  for (size_t end = name.find('/'); end != std::string::npos; end = name.find('/', end + 1)) {
    if (blobs.count(name.substr(0, end)) > 0) return true;
  }
  return blobs.count(name) > 0;
}

// "%2F" for '/'.
std::string PercentEncoded(char c) {
  char text[4];
  std::snprintf(text, sizeof text, "%%%02X", static_cast<unsigned char>(c));
  return text;
}

// One group's name that resembles `name` and is not `taken`.
std::string SingleGroup(const std::string& name, const std::set<std::string>& taken) {
  std::string group;
  for (const char c : name) {
    const bool plain = static_cast<unsigned char>(c) >= ' ' && c != '/';
    group += plain ? std::string(1, c) : PercentEncoded(c);
  }
  if (group.empty() || group == ".") group += "%";
  while (taken.count(group) > 0) group += "%";
  return group;
}

// The groups of the layers, by their names. A name stays as it is, as Caffe writes it, unless what
// is written so could not be read again.
std::map<std::string, std::string> GroupsOf(const proto::NetParameter& net) {
  std::set<std::string> blobs, taken;
  for (const proto::LayerParameter& layer : net.layer()) {
    taken.insert(layer.name().substr(0, layer.name().find('/')));
    for (int b = 0; b < layer.blobs_size(); ++b) blobs.insert(Concat(layer.name(), "/", b));
  }
  std::map<std::string, std::string> groups;
  for (const proto::LayerParameter& layer : net.layer()) {
    const std::string& name = layer.name();
    if (groups.count(name) > 0) continue;
    const bool stays = IsPath(name) && !MeetsBlob(name, blobs);
    taken.insert(groups[name] = stays ? name : SingleGroup(name, taken));
  }
  return groups;
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

std::vector<SavedLayer> ReadLayers(const std::string& path, bool with_gradients) {
  const Hdf5File file = Hdf5File::Open(path);
  const std::vector<std::string> names = file.Names("");
  if (std::find(names.begin(), names.end(), "data/") == names.end()) {
    const bool is_state = file.Has("iter") && file.Has("learned_net");
    Fail(path, is_state ? ": is a solver state, not weights; pass it with --snapshot"
                        : ": is an HDF5 file without weights: it has no group 'data'");
  }
  return LayerReader(file, with_gradients).ReadAll();
}

void ReadState(const std::string& path, proto::SolverState* state, bool with_history) {
  const Hdf5File file = Hdf5File::Open(path);
  if (!file.Has("iter") || !file.Has("learned_net")) {
    Fail(InFile(path), ": is not a solver state: it has no datasets 'iter' and 'learned_net'");
  }
  state->Clear();
  const int64_t iteration = file.ReadInteger("iter");
  if (iteration < 0 || iteration > std::numeric_limits<int>::max()) {
    Fail(InFile(path), ": its iteration is ", iteration, "; the file is damaged");
  }
  state->set_iter(static_cast<int>(iteration));
  state->set_learned_net(file.ReadText("learned_net"));
  if (file.Has("current_step")) {
    state->set_current_step(static_cast<int>(file.ReadInteger("current_step")));
  }
  for (int i = 0; with_history && file.Has(Concat("history/", i)); ++i) {
    ToProto(ReadBlob(file, Concat("history/", i)), false, state->add_history());
  }
  if (!file.Has("crema_progress")) return;
  ReadBinary(file.ReadText("crema_progress"), path + ": crema_progress", "a training state",
             state->mutable_progress());
}

}  // namespace

std::vector<SavedLayer> ReadHdf5Weights(const std::string& path, bool with_gradients) {
  std::vector<SavedLayer> layers;
  TryAndRead(path, [&] { layers = ReadLayers(path, with_gradients); });
  return layers;
}

std::string Hdf5WeightsBytes(const proto::NetParameter& net, const std::string& path) {
  Hdf5File file = Hdf5File::CreateInMemory(path);
  file.MakeGroup("data");
  const std::map<std::string, std::string> groups = GroupsOf(net);
  for (const auto& [name, group] : groups) {
    if (group != name) file.WriteBytes(kNames + group, name);
  }
  bool has_gradients = false;
  for (const proto::LayerParameter& layer : net.layer()) {
    const std::string group = "data/" + groups.at(layer.name());
    file.MakeGroup(group);
    for (int b = 0; b < layer.blobs_size(); ++b) {
      const proto::BlobProto& blob = layer.blobs(b);
      const std::string dataset = Concat(group, "/", b);
      if (file.Has(dataset)) continue;  // two layers of one name, of which one has parameters
      WriteBlob(blob, dataset, &file);
      has_gradients = has_gradients || blob.diff_size() > 0 || blob.double_diff_size() > 0;
    }
  }
  for (const proto::LayerParameter& layer : net.layer()) {
    if (!has_gradients) break;
    const std::string group = "diff/" + groups.at(layer.name());
    file.MakeGroup(group);
    for (int b = 0; b < layer.blobs_size(); ++b) {
      WriteGradient(layer.blobs(b), Concat(group, "/", b), &file);
    }
  }
  return file.Bytes();
}

void ReadHdf5State(const std::string& path, proto::SolverState* state, bool known,
                   bool with_history) {
  if (known) return ReadState(path, state, with_history);
  TryAndRead(path, [&] { ReadState(path, state, true); });
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
