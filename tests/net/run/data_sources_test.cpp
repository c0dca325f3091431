// How far the data layers of a net have come.
#include "net/run/data_sources.h"

#include "data/databases.h"
#include "net/run/sliced_net.h"

namespace crema::test {
namespace {

using Positions = DataSources::Positions;

std::string Data(const std::string& name, const std::string& top, int batch) {
  return Layer(name, "MemoryData", {}, {top, top + "_label"},
               "memory_data_param { batch_size: " + std::to_string(batch) +
                   " channels: 1 height: 1 width: 3 }");
}

Graph Compile(const std::string& text) { return CompileNet(ParseNet(text), DeviceKind::kCpu, {}); }

TEST(DataSourcesTest, EachLayerGoesByItsOwnBatch) {
  const Graph graph = Compile(Data("d", "x", 4) + Input("i", {2}) + Data("e", "y", 3));
  const DataSources sources(graph);
  EXPECT_EQ(sources.PositionsBefore(0), (Positions{{"d", 0}, {"e", 0}}));
  sources.SeekPasses(2);
  EXPECT_EQ(sources.PositionsBefore(0), (Positions{{"d", 8}, {"e", 6}}));
  EXPECT_EQ(sources.PositionsBefore(1), (Positions{{"d", 4}, {"e", 3}}));
}

TEST(DataSourcesTest, LayersThatAreNotNamedStay) {
  const Graph graph = Compile(Data("d", "x", 4) + Data("e", "y", 3));
  const DataSources sources(graph);
  sources.SeekPasses(2);
  sources.Seek({{"e", 30}, {"none", 5}});
  EXPECT_EQ(sources.PositionsBefore(0), (Positions{{"d", 8}, {"e", 30}}));
}

TEST(DataSourcesTest, LayersOfOneNameTakeTheirsInOrder) {
  const Graph graph = Compile(Data("d", "x", 4) + Data("d", "y", 3));
  const DataSources sources(graph);
  sources.Seek({{"d", 40}, {"d", 30}});
  EXPECT_EQ(sources.PositionsBefore(0), (Positions{{"d", 40}, {"d", 30}}));
  sources.Seek({{"d", 44}});
  EXPECT_EQ(sources.PositionsBefore(0), (Positions{{"d", 44}, {"d", 30}}));
}

TEST(DataSourcesTest, OnlyLayersThatReadAheadAreWaitedFor) {
  const Graph graph = Compile(Data("d", "x", 4) + Input("i", {2}));
  EXPECT_FALSE(DataSources(graph).WaitedSeconds().has_value());
  const Graph none = Compile(Input("i", {2}));
  EXPECT_TRUE(DataSources(none).PositionsBefore(0).empty());
}

// Through the net, with layers that read a database.
TEST(DataPositionsTest, LayersThatReadDataMayHaveOneName) {
  const TempFolder folder;
  WriteTestDatabase(Backend::kLmdb, folder / "db", 20);
  const auto data = [&](const std::string& top, int batch) {
    return Layer("d", "Data", {}, {top},
                 "data_param { backend: LMDB source: '" + (folder / "db") +
                     "' batch_size: " + std::to_string(batch) + " }");
  };
  MakeNetOptions options;
  options.dtype = DType::kFloat32;
  const auto net = MakeNet(data("x", 4) + data("y", 3), options);
  net->SeekPasses(2);
  EXPECT_EQ(net->DataPositions(), (Positions{{"d", 8}, {"d", 6}}));
  EXPECT_EQ(net->DataPositionsBefore(1), (Positions{{"d", 4}, {"d", 3}}));
  EXPECT_TRUE(net->WaitedSeconds().has_value());
}

}  // namespace
}  // namespace crema::test
