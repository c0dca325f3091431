#include "schema/extensions.h"

#include <gtest/gtest.h>

#include "crema.pb.h"
#include "options_of_tests.pb.h"
#include "schema/binary_io.h"
#include "schema/message_size.h"
#include "schema/text_reader.h"
#include "schema_test_util.h"

namespace crema {
namespace {

proto::NetParameter Read(const std::string& text) {
  proto::NetParameter net;
  ReadText(text, "n.prototxt", &net);
  return net;
}

std::string NetError(const std::string& text) {
  return ErrorOf([&] { Read(text); });
}

TEST(Extensions, AreFoundByBothNames) {
  const auto* layer = proto::LayerParameter::descriptor();
  const auto* knob = FindExtension(layer, "knob_of_tests");
  ASSERT_NE(knob, nullptr);
  EXPECT_EQ(knob->number(), 99990);
  EXPECT_EQ(FindExtension(layer, "of_tests.knob_of_tests"), knob);
  EXPECT_EQ(FindExtension(layer, "of_tests"), nullptr);
  EXPECT_EQ(FindExtension(proto::NetParameter::descriptor(), "knob_of_tests"), nullptr);
}

TEST(Extensions, TextsWriteThemAsFields) {
  const std::string inside =
      "{ turn_of_tests: 1.5 marks: [1, 2] filler < type: 'xavier' > inner { } }";
  for (const std::string& written : {"knob_of_tests " + inside, "knob_of_tests: " + inside,
                                     "[of_tests.knob_of_tests] " + inside}) {
    const proto::NetParameter net =
        Read("layer { name: 'a' " + written + " type: 'X' }\nlayer { name: 'b' }");
    ASSERT_EQ(net.layer_size(), 2) << written;
    const auto& knob = net.layer(0).GetExtension(of_tests::knob_of_tests);
    EXPECT_EQ(knob.turn_of_tests(), 1.5f);
    EXPECT_EQ(knob.marks_size(), 2);
    EXPECT_EQ(knob.filler().type(), "xavier");
    EXPECT_EQ(knob.inner_size(), 1);
    EXPECT_EQ(net.layer(0).type(), "X");
    EXPECT_FALSE(net.layer(1).HasExtension(of_tests::knob_of_tests));
  }
}

// With a field of another Caffe in the same text, which is left out.
TEST(Extensions, GoWithFieldsThatAreLeftOut) {
  proto::NetParameter net;
  const auto notes = ReadText(
      "layer { name: 'a' knob_of_tests { turn_of_tests: 2 } }\n"
      "layer { convolution_param { engine: MKL2017 } }",
      "n.prototxt", &net);
  EXPECT_EQ(notes.size(), 1u);
  EXPECT_EQ(net.layer(0).GetExtension(of_tests::knob_of_tests).turn_of_tests(), 2);
}

TEST(Extensions, MistakesAreToldWithTheirLines) {
  EXPECT_EQ(NetError("layer { name: 'a'\n knob_of_test { } }"),
            "n.prototxt:2: layer \"a\" has no field \"knob_of_test\"; did you mean "
            "\"knob_of_tests\"?");
  EXPECT_EQ(
      NetError("layer { name: 'a'\n knob_of_tests {\n turn_of_tests: x } }"),
      "n.prototxt:3: layer \"a\": in knob_of_tests, \"turn_of_tests\" takes a decimal number, "
      "found x");
  EXPECT_EQ(NetError("layer { name: 'a' knob_of_tests { }\n [of_tests.knob_of_tests] { } }"),
            "n.prototxt:2: layer \"a\": \"knob_of_tests\" is given twice, but only one value is "
            "allowed");
  EXPECT_EQ(NetError("layer { name: 'a'\n turn_of_tests: 1 }"),
            "n.prototxt:2: layer \"a\" has no field \"turn_of_tests\"; it belongs in "
            "knob_of_tests { ... }");
  EXPECT_EQ(NetError("layer { name: 'a'\n [of_tests.knob_of_test] { } }"),
            "n.prototxt:2: layer \"a\" has no field \"[of_tests.knob_of_test]\"; did you mean "
            "\"[of_tests.knob_of_tests]\"?");
  EXPECT_EQ(NetError("layer { name: 'a'\n [far.away] { } }"),
            "n.prototxt:2: layer \"a\" has no field \"[far.away]\"; load the plug-in that has it");
  EXPECT_EQ(
      NetError("layer { name: 'a'\n [of_tests.knob_of_tests { } }"),
      "n.prototxt:2: layer \"a\": expected a \"]\" after \"[of_tests.knob_of_tests\", found {");
}

TEST(Extensions, AMissingPluginIsThoughtOf) {
  EXPECT_EQ(
      NetError("layer { name: 'a' lnr_param { } }"),
      "n.prototxt:1: layer \"a\" has no field \"lnr_param\"; did you mean \"lrn_param\", or is "
      "a plug-in missing (--plugins)?");
  EXPECT_EQ(
      NetError("layer { name: 'a' zyzzyva_quixotic_param { } }"),
      "n.prototxt:1: layer \"a\" has no field \"zyzzyva_quixotic_param\"; is a plug-in missing "
      "(--plugins)?");
}

TEST(Extensions, StayInBinaryForm) {
  const proto::NetParameter net = Read("layer { knob_of_tests { turn_of_tests: 3 } }");
  proto::NetParameter read;
  ReadBinary(SerializeToBytes(net, "a net"), "n", "a net", &read);
  EXPECT_EQ(read.layer(0).GetExtension(of_tests::knob_of_tests).turn_of_tests(), 3);
  const proto::NetParameter copy = read;
  EXPECT_EQ(copy.SerializeAsString(), net.SerializeAsString());
}

// An empty message takes two bytes in a file, and hundreds in memory.
TEST(Extensions, CountInTheSizeOfAMessage) {
  proto::LayerParameter layer;
  auto* knob = layer.MutableExtension(of_tests::knob_of_tests);
  for (int i = 0; i < 1000; ++i) knob->add_inner();
  const auto counted = static_cast<double>(SizeInMemory(layer.SerializeAsString(), layer));
  EXPECT_GT(counted / static_cast<double>(layer.SpaceUsedLong()), 0.5);
}

}  // namespace
}  // namespace crema
