// What `crema show` prints: cells, columns and sums.
#include "net/describe.h"

#include <gmock/gmock.h>

#include "net/net_test_util.h"
#include "net/text_table.h"

namespace crema::test {
namespace {

using testing::HasSubstr;

TEST(TextTableTest, AlignsAndCuts) {
  TextTable table;
  table.Row({"name", "size"});
  table.Row({"a_long_name_of_a_layer", "7"});
  table.Note("  - a note");
  table.AlignRight(1);
  EXPECT_EQ(table.ToString(),
            "name                    size\n"
            "a_long_name_of_a_layer     7\n"
            "  - a note\n");
  table.Shrink(0, 10, 18);  // 12 + 2 + 4
  EXPECT_EQ(table.ToString(),
            "name          size\n"
            "a_long_..yer     7\n"
            "  - a note\n");
  table.Shrink(0, 10, 4);
  EXPECT_THAT(table.ToString(), HasSubstr("\na_long..er     7\n"));
}

const char kNet[] =
    "name: 'n' layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 4 dim: 1000 } } "
    "}"
    "layer { name: 'fc' type: 'InnerProduct' bottom: 'x' top: 'fc' inner_product_param { "
    "num_output: 500 } }"
    "layer { name: 'a' type: 'ReLU' bottom: 'fc' top: 'a' }"
    "layer { name: 'b' type: 'TanH' bottom: 'fc' top: 'b' }";

TEST(DescribeTest, CountsInShortNumbers) {
  CompileOptions options;
  options.backward = false;
  const Graph graph = CompileNet(ParseNet(kNet), DeviceKind::kCpu, options);
  const std::string table = DescribeLayers(graph, 80);
  EXPECT_THAT(table, testing::ContainsRegex("\nfc +InnerProduct +4x500 +500 k +2.00 M +8.0 kB\n"));
  EXPECT_THAT(table, testing::ContainsRegex("Split +4x500 \\(2 times\\) +- +- +-\n"));
  EXPECT_THAT(table, testing::ContainsRegex("\nsum +500 k +2.00 M +"));
  EXPECT_THAT(DescribeTotals(graph, MemoryOf(graph)), HasSubstr("learned parameters: 500500\n"));
}

// What follows "memory: " adds up, and what is shared is said.
TEST(DescribeTest, SaysWhatTheSumsCount) {
  CompileOptions options;
  options.backward = false;
  const Graph graph = CompileNet(ParseNet(kNet), DeviceKind::kCpu, options);
  EXPECT_THAT(DescribeLayers(graph, 80),
              testing::ContainsRegex("\nsum [^\n]*\nThe sums count learned parameters [^\n]*\n"
                                     "forward pass, and outputs, gradients and layer state"));
  NetMemory memory;
  memory.params = 1000;
  memory.param_gradients = 2000;
  memory.state = 3000;
  memory.arena = 3500;
  memory.kept = 500;
  memory.data = 5000;
  memory.gradients = 3000;
  memory.scratch = 1000;
  EXPECT_THAT(
      DescribeTotals(graph, memory),
      HasSubstr("\nmemory: 10.0 kB, the sum of\n"
                "  1.0 kB  parameters, each in whole blocks of 256 B\n"
                "  2.0 kB  gradients of the parameters\n"
                "  3.0 kB  state of the layers\n"
                "  4.0 kB  for a pass:\n"
                "            values 5.0 kB + gradients 3.0 kB + scratch 1.0 kB\n"
                "            - 5.0 kB, because what is not needed at once shares memory\n"));
  EXPECT_THAT(DescribeTotals(graph, memory), testing::Not(HasSubstr("lists")));
  memory.host = 500;
  EXPECT_THAT(DescribeTotals(graph, memory), HasSubstr("memory: 10.5 kB, the sum of\n"));
  EXPECT_THAT(DescribeTotals(graph, memory),
              HasSubstr("\n   500 B  data and lists that layers keep\n"));
  EXPECT_THAT(DescribeBriefly(graph, memory, 0), HasSubstr(", data and lists 500 B, per pass "));
  memory.arena = 8500;  // nothing is saved
  EXPECT_THAT(DescribeTotals(graph, memory), testing::Not(HasSubstr("shares memory")));
}

// A net that shares an arena takes only what it adds.
TEST(DescribeTest, SaysWhatANetTakesBesideWhatItShares) {
  CompileOptions options;
  options.backward = false;
  const Graph graph = CompileNet(ParseNet(kNet), DeviceKind::kCpu, options);
  NetMemory memory;
  memory.arena = 5000;
  memory.kept = 700;
  EXPECT_THAT(DescribeBriefly(graph, memory, 3000),
              HasSubstr("memory 2.7 kB in addition to the 3.0 kB"));
  EXPECT_THAT(DescribeBriefly(graph, memory, 9000),
              HasSubstr("memory 700 B in addition to the 5.0 kB"));
  EXPECT_THAT(DescribeBriefly(graph, memory, 0), HasSubstr("memory 5.7 kB (parameters 0 B"));
}

}  // namespace
}  // namespace crema::test
