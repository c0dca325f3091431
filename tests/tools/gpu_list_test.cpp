// --gpu: on machines with no GPU, one, and several.
#include "../../tools/gpu_list.h"

#include <gmock/gmock.h>

#include "../../tools/commands/command.h"
#include "crema/error.h"

namespace crema {
namespace {

using testing::ElementsAre;

TEST(GpuListTest, AllIsWhatTheMachineHas) {
  EXPECT_THAT(ParseGpus("all", 1, ""), ElementsAre(0));
  EXPECT_THAT(ParseGpus("all", 3, ""), ElementsAre(0, 1, 2));
  try {
    ParseGpus("all", 0, "no driver");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("there is no GPU (no driver)"));
  }
}

// Whether there are such GPUs is found when they are opened.
TEST(GpuListTest, ReadsNumbers) {
  EXPECT_THAT(ParseGpus("7", 0, ""), ElementsAre(7));
  EXPECT_THAT(ParseGpus("0, 2", 3, ""), ElementsAre(0, 2));
  for (const char* wrong : {"first", "-1", "0,x", ",", "1.5", "99999999999"}) {
    EXPECT_THROW(ParseGpus(wrong, 1, ""), UsageError) << wrong;
  }
}

}  // namespace
}  // namespace crema
