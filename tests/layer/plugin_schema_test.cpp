#include "layer/plugin_schema.h"

#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include "schema/schema_test_util.h"

namespace crema {
namespace {

using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;

// A plug-in's file that clashes with nothing.
FileDescriptorSet Harmless() {
  FileDescriptorSet set;
  FileDescriptorProto* file = set.add_file();
  file->set_name("new_of_tests.proto");
  file->set_package("new_of_tests");
  file->add_dependency("crema.proto");
  file->add_message_type()->set_name("DialParameter");
  auto* option = file->add_extension();
  option->set_name("dial_of_tests");
  option->set_extendee(".crema.proto.LayerParameter");
  option->set_number(99991);
  return set;
}

std::string ErrorFor(const FileDescriptorSet& set) {
  return ErrorOf([&] { CheckPluginSchema("a.so", set.SerializeAsString()); });
}

TEST(PluginSchema, AcceptsWhatIsNew) {
  EXPECT_EQ(ErrorFor(Harmless()), "");
  EXPECT_EQ(ErrorFor({}), "");
}

TEST(PluginSchema, RefusesANumberThatIsTaken) {
  FileDescriptorSet set = Harmless();
  set.mutable_file(0)->mutable_extension(0)->set_number(99990);
  EXPECT_EQ(ErrorFor(set),
            "a.so: its field dial_of_tests has the number 99990, which of_tests.knob_of_tests of "
            "options_of_tests.proto has, too; choose another number");
}

TEST(PluginSchema, LooksForOptionsInMessages) {
  FileDescriptorSet set = Harmless();
  auto* inner = set.mutable_file(0)->mutable_message_type(0)->add_nested_type();
  *inner->add_extension() = set.file(0).extension(0);
  inner->mutable_extension(0)->set_number(99990);
  set.mutable_file(0)->clear_extension();
  EXPECT_TRUE(Contains(ErrorFor(set), "has the number 99990")) << ErrorFor(set);
}

TEST(PluginSchema, RefusesNamesThatExist) {
  FileDescriptorSet set = Harmless();
  for (const char* name : {"relu_param", "knob_of_tests"}) {
    set.mutable_file(0)->mutable_extension(0)->set_name(name);
    EXPECT_TRUE(Contains(ErrorFor(set), Concat("a.so: its field ", name, " has the name of one")))
        << ErrorFor(set);
  }
  set = Harmless();
  set.mutable_file(0)->set_name("crema.proto");
  EXPECT_TRUE(Contains(ErrorFor(set), "its file crema.proto has the name")) << ErrorFor(set);
  set = Harmless();
  set.mutable_file(0)->set_package("of_tests");
  set.mutable_file(0)->mutable_message_type(0)->set_name("KnobParameter");
  EXPECT_TRUE(Contains(ErrorFor(set),
                       "defines of_tests.KnobParameter, which "
                       "options_of_tests.proto defines, too"))
      << ErrorFor(set);
  set = Harmless();
  set.mutable_file(0)->set_package("crema.proto.LayerParameter.mine");
  EXPECT_TRUE(Contains(ErrorFor(set), "there is a message of that name")) << ErrorFor(set);
}

TEST(PluginSchema, RefusesDamage) {
  EXPECT_TRUE(Contains(ErrorOf([] { CheckPluginSchema("a.so", "\x0a\xff"); }), "are damaged"));
}

}  // namespace
}  // namespace crema
