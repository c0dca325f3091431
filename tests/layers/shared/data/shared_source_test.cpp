// Sources whose records several ranks share.
#include <functional>
#include <string>
#include <vector>

#include "crema/memory_source.h"
#include "data/databases.h"
#include "net/net_test_util.h"
#include "schema/hdf5_io.h"

namespace crema::test {
namespace {

// The text of a net of one layer with this batch, whose tops are x and label.
using TextFor = std::function<std::string(int batch)>;

std::unique_ptr<Net> MakeRank(const std::string& text, Rank rank) {
  NetOptions options;
  options.keep_blobs = true;
  options.rank = rank;
  auto net = std::make_unique<Net>(ParseNet(text), OpenDevice(DeviceKind::kCpu), options);
  auto* source = dynamic_cast<MemorySource*>(net->FindLayer("d"));
  if (source != nullptr) {
    std::vector<float> values, labels;
    for (int i = 0; i < 30; ++i) {
      values.insert(values.end(), {1.0f * i, 2.0f * i});
      labels.push_back(static_cast<float>(i));
    }
    source->SetData(values, labels);
  }
  return net;
}

// The labels, then the values.
std::vector<double> Next(Net* net) {
  net->Forward(0);
  std::vector<double> all = ReadBlob(*net, "label");
  const std::vector<double> values = ReadBlob(*net, "x");
  all.insert(all.end(), values.begin(), values.end());
  return all;
}

void Append(const std::vector<double>& from, size_t first, size_t count, std::vector<double>* to) {
  to->insert(to->end(), from.begin() + static_cast<int64_t>(first),
             from.begin() + static_cast<int64_t>(first + count));
}

// What nets of all ranks give, in the order of the ranks, as a net of the whole batch would.
std::vector<double> NextOf(const std::vector<std::unique_ptr<Net>>& ranks, size_t batch) {
  std::vector<double> labels, values;
  for (const auto& net : ranks) {
    const std::vector<double> all = Next(net.get());
    Append(all, 0, batch, &labels);
    Append(all, batch, all.size() - batch, &values);
  }
  labels.insert(labels.end(), values.begin(), values.end());
  return labels;
}

void ExpectShared(const TextFor& text_for, int ranks, int batch) {
  SCOPED_TRACE(Concat(ranks, " ranks with batches of ", batch));
  const auto alone = MakeRank(text_for(ranks * batch), {});
  std::vector<std::unique_ptr<Net>> nets;
  for (int r = 0; r < ranks; ++r) nets.push_back(MakeRank(text_for(batch), {r, ranks}));
  const auto expect_same = [&] {
    for (int pass = 0; pass < 7; ++pass) {
      ASSERT_EQ(NextOf(nets, static_cast<size_t>(batch)), Next(alone.get())) << pass;
      for (const auto& net : nets) EXPECT_EQ(net->DataPositions(), alone->DataPositions());
    }
    for (const auto& net : nets) {
      EXPECT_EQ(net->DataPositionsBefore(3), alone->DataPositionsBefore(3));
    }
  };
  expect_same();
  const auto positions = alone->DataPositionsBefore(5);
  alone->SeekData(positions);
  for (const auto& net : nets) net->SeekData(positions);
  expect_same();
  alone->SeekPasses(3);
  for (const auto& net : nets) net->SeekPasses(3);
  expect_same();
}

TEST(SharedSourceTest, DatabasesAre) {
  const TempFolder folder;
  WriteTestDatabase(Backend::kLmdb, folder / "db", 20);
  for (const std::string more : {"", "shuffle: true", "rand_skip: 5"}) {
    SCOPED_TRACE(more);
    const auto text = [&](int batch) {
      return Layer("d", "Data", {}, {"x", "label"},
                   "data_param { backend: LMDB source: '" + (folder / "db") +
                       "' batch_size: " + std::to_string(batch) + " " + more +
                       " } transform_param { crop_size: 3 mirror: true }");
    };
    ExpectShared(text, 2, 3);
    ExpectShared(text, 3, 2);
  }
}

TEST(SharedSourceTest, Hdf5FilesAre) {
  const TempFolder folder;
  std::vector<float> x, label;
  for (int i = 0; i < 17; ++i) {
    x.insert(x.end(), {10.0f * i, 10.0f * i + 1});
    label.push_back(static_cast<float>(i));
  }
  Hdf5File file = Hdf5File::CreateInMemory("rows");
  file.Write("x", {17, 2}, x.data());
  file.Write("label", {17}, label.data());
  std::ofstream(folder / "rows.h5", std::ios::binary) << file.Bytes();
  std::ofstream(folder / "list.txt") << folder / "rows.h5"
                                     << "\n";
  for (const std::string more : {"", "shuffle: true"}) {
    SCOPED_TRACE(more);
    const auto text = [&](int batch) {
      return Layer("d", "HDF5Data", {}, {"x", "label"},
                   "hdf5_data_param { source: '" + (folder / "list.txt") +
                       "' batch_size: " + std::to_string(batch) + " " + more + " }");
    };
    ExpectShared(text, 2, 3);
    ExpectShared(text, 3, 2);
  }
}

TEST(SharedSourceTest, MemoryIs) {
  const auto text = [](int batch) {
    return Layer("d", "MemoryData", {}, {"x", "label"},
                 "memory_data_param { batch_size: " + std::to_string(batch) +
                     " channels: 2 height: 1 width: 1 }");
  };
  ExpectShared(text, 2, 3);
  ExpectShared(text, 3, 2);
}

}  // namespace
}  // namespace crema::test
