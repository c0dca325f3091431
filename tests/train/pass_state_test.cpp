#include "train/pass_state.h"

#include "net/net_test_util.h"
#include "train/train_test_util.h"

namespace crema::test {
namespace {

std::string Data() {
  return Layer("data", "DummyData", {}, {"x", "cont", "choice"},
               "dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 dim: 3 } "
               "shape { dim: 4 } data_filler { type: 'gaussian' } data_filler { value: 1 } "
               "data_filler { value: 1 } }");
}
std::string Rnn(const std::string& bottom) {
  return Layer("rnn", "RNN", {bottom, "cont"}, {"h"},
               "recurrent_param { num_output: 2 weight_filler { type: 'uniform' } }");
}

TEST(PassState, TakesPassesBack) {
  const auto net = MakeNet(
      Data() + Layer("a", "BatchNorm", {"x"}, {"a"}) +
      Layer("fc", "InnerProduct", {"a"}, {"b"},
            "inner_product_param { num_output: 3 weight_filler { type: 'xavier' } }") +
      Layer("c", "BatchNorm", {"b"}, {"c"}) +
      Layer("shape", "Reshape", {"c"}, {"d"}, "reshape_param { shape { dim: 4 dim: 3 dim: 1 } }") +
      Rnn("d"));
  EXPECT_TRUE(CanTakeBack(*net));
  PassState state(net.get());
  net->Forward(1);
  state.Note();
  const auto weights = net->flat_params().ToHost<double>();
  net->Forward(2);
  const auto expected = ReadBlob(*net, "h");
  const auto later = net->flat_params().ToHost<double>();
  EXPECT_NE(later, weights);
  state.Exchange();
  EXPECT_EQ(net->flat_params().ToHost<double>(), weights);
  state.Exchange();
  EXPECT_EQ(net->flat_params().ToHost<double>(), later);
  state.TakeBack();
  net->Forward(2);
  EXPECT_EQ(ReadBlob(*net, "h"), expected);
  EXPECT_EQ(net->flat_params().ToHost<double>(), later);
}

TEST(PassState, NotesStatisticsOnly) {
  const auto net =
      MakeNet(Data() + Layer("a", "BatchNorm", {"x"}, {"a"}) +
              Layer("fc", "InnerProduct", {"a"}, {"b"}, "inner_product_param { num_output: 900 }") +
              Layer("c", "BatchNorm", {"b"}, {"c"}));
  const std::vector<Tensor> views = StatisticsIn(*net, net->flat_params());
  ASSERT_EQ(views.size(), 2u);
  EXPECT_LT(views[0].count(), 900);
  EXPECT_LT(views[1].count(), 2 * 900 + 200);
  EXPECT_GE(views[1].count(), 2 * 900 + 1);
}

TEST(PassState, KnowsWhatCannotBeTakenBack) {
  const std::string file = (TestFolder() / "out.h5").string();
  EXPECT_FALSE(
      CanTakeBack(*MakeNet(Data() + Layer("out", "HDF5Output", {"x", "choice"}, {},
                                          "hdf5_output_param { file_name: '" + file + "' }"))));
  EXPECT_FALSE(CanTakeBack(*MakeNet(
      Data() + Layer("filter", "Filter", {"x", "choice"}, {"y"}) +
      Layer("shape", "Reshape", {"x"}, {"d"}, "reshape_param { shape { dim: 4 dim: 3 dim: 1 } }") +
      Rnn("d"))));
}

}  // namespace
}  // namespace crema::test
