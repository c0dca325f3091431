#include "schema/message_size.h"

#include <gtest/gtest.h>

#include "crema.pb.h"
#include "weights.pb.h"

namespace crema {
namespace {

std::string Repeated(const std::string& part, int times) {
  std::string bytes;
  for (int i = 0; i < times; ++i) bytes += part;
  return bytes;
}

// A field of that number, with a length and as many bytes.
std::string Field(int number, const std::string& content) {
  std::string field;
  for (unsigned part = static_cast<unsigned>(number) << 3 | 2; part > 0; part >>= 7) {
    field += static_cast<char>((part & 0x7F) | (part > 0x7F ? 0x80 : 0));
  }
  return field + static_cast<char>(content.size()) + content;
}

TEST(SizeInMemory, CountsWhatProtobufTakes) {
  weights::Net net;
  for (int l = 0; l < 20; ++l) {
    weights::Layer* layer = net.add_layer();
    layer->set_name("some layer with a long name");
    weights::Blob* blob = layer->add_blobs();
    for (int i = 0; i < 1000; ++i) blob->add_data(1);
    blob->mutable_shape()->add_dim(1000);
  }
  const std::string bytes = net.SerializeAsString();
  weights::Net read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  const auto counted = static_cast<double>(SizeInMemory(bytes, net));
  EXPECT_NEAR(counted / static_cast<double>(read.SpaceUsedLong()), 1, 0.3);
  EXPECT_TRUE(IsInProportion(bytes, net));
}

// Whatever small parts a file is made of: each as it is, and in a layer.
TEST(IsInProportion, DoubtsManySmallParts) {
  const weights::Net net;
  const std::string blob = Field(7, ""), layer = Field(100, ""), old_layer = Field(2, "");
  const std::string unknown_bytes = Field(50, ""), number_as_bytes = Field(1, "");
  constexpr int kMany = 1000000;
  EXPECT_FALSE(IsInProportion(Repeated(layer, kMany), net));
  EXPECT_FALSE(IsInProportion(Repeated(old_layer, kMany), net));
  EXPECT_FALSE(IsInProportion(Repeated(unknown_bytes, kMany), net));
  const weights::Layer one_layer;
  EXPECT_FALSE(IsInProportion(Repeated(blob, kMany), one_layer));
  const weights::Blob one_blob;
  EXPECT_FALSE(IsInProportion(Repeated(number_as_bytes, kMany), one_blob));
  // A group holds them: unknown, all of it.
  const std::string held = "\xC3\x03" + Repeated(unknown_bytes, kMany) + "\xC4\x03";
  EXPECT_FALSE(IsInProportion(held, net));
}

TEST(IsInProportion, BelievesWhatIsStored) {
  proto::NetParameter net;
  for (int i = 0; i < 10000; ++i) {  // without weights, but with fields that readers of those skip
    proto::LayerParameter* layer = net.add_layer();
    layer->set_name("relu" + std::to_string(i));
    layer->set_type("ReLU");
    layer->add_bottom("conv" + std::to_string(i));
    layer->add_top("conv" + std::to_string(i));
    layer->set_phase(proto::TRAIN);
  }
  EXPECT_TRUE(IsInProportion(net.SerializeAsString(), weights::Net()));
  EXPECT_TRUE(IsInProportion(Repeated(Field(100, ""), 1000), weights::Net()));  // little is little
}

TEST(IsInProportion, ComesToAnEndOnDamagedFiles) {
  const weights::Net net;
  EXPECT_TRUE(IsInProportion("", net));
  EXPECT_TRUE(IsInProportion("\xff\xff\xff\xff\xff\xff\xff\xff", net));
  EXPECT_TRUE(IsInProportion(std::string("\xA2\x06\xff\xff\xff\xff\x07", 7), net));  // a long layer
  EXPECT_TRUE(IsInProportion(Repeated("\x0b", 100000), net));  // groups in groups
}

}  // namespace
}  // namespace crema
