#include "schema/text_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/strings.h"
#include "crema.pb.h"
#include "schema/fork_hints.h"
#include "schema/text_diagnosis.h"
#include "schema_test_util.h"

namespace crema {
namespace {

std::string NetError(const std::string& text) {
  return ErrorOf([&] {
    proto::NetParameter net;
    ReadText(text, "n.prototxt", &net);
  });
}

std::string SolverError(const std::string& text) {
  return ErrorOf([&] {
    proto::SolverParameter solver;
    ReadText(text, "s.prototxt", &solver);
  });
}

TEST(TextReader, ReadsWhatProtobufReads) {
  proto::NetParameter net;
  net.set_name("old");
  ReadText(
      "name: 'a' \"b\"  # a comment\n"
      "input_shape < dim: [1, 0x10, 010] >\n"
      "layer: { name: \"c\" type: \"Convolution\", loss_weight: -1.5f; loss_weight: 2\n"
      "  include { phase: 1 } convolution_param { bias_term: f engine: CAFFE } }\n",
      "n.prototxt", &net);
  EXPECT_EQ(net.name(), "ab");
  ASSERT_EQ(net.input_shape(0).dim_size(), 3);
  EXPECT_EQ(net.input_shape(0).dim(1), 16);
  EXPECT_EQ(net.input_shape(0).dim(2), 8);
  EXPECT_EQ(net.layer(0).loss_weight(0), -1.5f);
  EXPECT_EQ(net.layer(0).include(0).phase(), proto::TEST);
  EXPECT_FALSE(net.layer(0).convolution_param().bias_term());
}

TEST(TextReader, AcceptsAnEmptyText) { EXPECT_EQ(NetError(""), ""); }

// Some editors end lines with two characters, and begin files with a mark.
TEST(TextReader, ReadsTextsFromWindows) {
  EXPECT_EQ(NetError("\xef\xbb\xbfname: \"n\"\r\nlayer {\r\n  name: \"a\"\r\n}\r\n"), "");
  EXPECT_EQ(NetError("\xef\xbb\xbfname: \"n\"\r\nlayr { }\r\n"),
            "n.prototxt:2: a net has no field \"layr\"; did you mean \"layer\"?");
}

struct Case {
  const char* text;
  const char* sentence;
};

class NetMistakes : public testing::TestWithParam<Case> {};

TEST_P(NetMistakes, GetTheirSentence) { EXPECT_EQ(NetError(GetParam().text), GetParam().sentence); }

const Case kNetMistakes[] = {
    {"layr { }", "n.prototxt:1: a net has no field \"layr\"; did you mean \"layer\"?"},
    {"layer {\n name: \"b\"\n batch_norm_param {\n scale_bias: true } }",
     "n.prototxt:4: layer \"b\": batch_norm_param has no field \"scale_bias\" (it comes from "
     "NVIDIA's Caffe; only false is supported; put a Scale layer after this one)"},
    // The name stands behind the mistake.
    {"layer { convolution_param { weight_filler { tipe: \"xavier\" } } name: \"c\" }",
     "n.prototxt:1: layer \"c\": convolution_param.weight_filler has no field \"tipe\"; did you "
     "mean \"type\"?"},
    {"layer { name: \"a\" }\nlayer {\n roi_pooling_param { } }",
     "n.prototxt:3: the layer that starts on line 2 has no field \"roi_pooling_param\" (it comes "
     "from Fast R-CNN)"},
    {"layers { layer { name: \"v0\" typ: \"conv\" } }",
     "n.prototxt:1: layer \"v0\": layer has no field \"typ\"; did you mean \"type\"?"},
    {"layer { name: \"p\" pooling_param { pool: MAXX } }",
     "n.prototxt:1: layer \"p\": in pooling_param, \"pool\" takes one of MAX, AVE, STOCHASTIC, "
     "found MAXX; did you mean MAX?"},
    {"layer { name: \"p\" pooling_param { pool: 7 } }",
     "n.prototxt:1: layer \"p\": in pooling_param, \"pool\" takes one of MAX, AVE, STOCHASTIC, "
     "found 7"},
    {"layer { name: \"c\" type: CONVOLUTION }",
     "n.prototxt:1: layer \"c\": \"type\" takes a string in quotes, found CONVOLUTION; write its "
     "type as in type: \"Convolution\", or \"layers\" for \"layer\""},
    {"layers { name: \"c\" type: \"Convolution\" }",
     "n.prototxt:1: layer \"c\": \"type\" takes a word such as CONVOLUTION, found "
     "\"Convolution\"; a type in quotes belongs to \"layer\", not to \"layers\""},
    {"layer { name: c }",
     "n.prototxt:1: the layer that starts on line 1: \"name\" takes a string in quotes, found c; "
     "write \"c\""},
    {"layer { name: \"i\" inner_product_param { num_output: ten } }",
     "n.prototxt:1: layer \"i\": in inner_product_param, \"num_output\" takes an integer from "
     "0 "
     "to 4294967295, found ten"},
    {"layer { name: \"i\" inner_product_param { num_output: -1 } }",
     "n.prototxt:1: layer \"i\": in inner_product_param, \"num_output\" takes an integer from "
     "0 "
     "to 4294967295, found -1"},
    {"layer { name: \"i\" inner_product_param { num_output: 4294967296 } }",
     "n.prototxt:1: layer \"i\": in inner_product_param, \"num_output\" takes an integer from "
     "0 "
     "to 4294967295, found 4294967296"},
    {"layer { name: \"i\" inner_product_param { num_output: 3.0 } }",
     "n.prototxt:1: layer \"i\": in inner_product_param, \"num_output\" takes an integer from "
     "0 "
     "to 4294967295, found 3.0; write 3"},
    {"layer { name: \"i\" inner_product_param { axis: -2147483649 } }",
     "n.prototxt:1: layer \"i\": in inner_product_param, \"axis\" takes an integer from "
     "-2147483648 to 2147483647, found -2147483649"},
    {"input_shape { dim: 9223372036854775808 }",
     "n.prototxt:1: in input_shape, \"dim\" takes an integer from -9223372036854775808 to "
     "9223372036854775807, found 9223372036854775808"},
    {"layer { name: \"i\" inner_product_param { bias_term: yes } }",
     "n.prototxt:1: layer \"i\": in inner_product_param, \"bias_term\" takes true or false, found "
     "yes; write true"},
    {"layer { name: \"i\" loss_weight: \"1\" }",
     "n.prototxt:1: layer \"i\": \"loss_weight\" takes a decimal number, found \"1\""},
    {"layer { name: \"p\" pooling_param { stride: 1\n stride: 2 } }",
     "n.prototxt:2: layer \"p\": in pooling_param, \"stride\" is given twice, but only one value "
     "is allowed"},
    {"layer { name: \"p\" pooling_param: 3 }",
     "n.prototxt:1: layer \"p\": \"pooling_param\" is a group: expected \"pooling_param { ... }\", "
     "found 3"},
    {"name \"x\"", "n.prototxt:1: expected a \":\" and a value after \"name\", found \"x\""},
    {"layer { name: \"a\"\n pooling_param { stride: 1\n",
     "n.prototxt:3: the file ends inside layer \"a\", pooling_param, which starts on line 2; a "
     "\"}\" is missing"},
    {"layer { name: \"a\"\nlayer { name: \"b\" } }",
     "n.prototxt:2: layer \"a\" has no field \"layer\"; a \"}\" is probably missing before it"},
    {"layer { }\n}", "n.prototxt:2: unexpected \"}\": no group is open here"},
    {"layer { name: \"a\" > }",
     "n.prototxt:1: layer \"a\": expected the name of a field, found >; "
     "the group that starts on line 1 must be closed by }"},
    {"layer { name: \"a\n type: \"Data\"\n }",
     "n.prototxt:1:15: layer \"a\": the string that starts here has no closing quote (\") on its "
     "line; add it"},
    {"layer { name: \"a",
     "n.prototxt:1:15: layer \"a\": the string that starts here has no closing quote (\") on its "
     "line; add it"},
    {"input_dim: [1, 2",
     "n.prototxt:1: expected \",\" or \"]\" in the list \"input_dim\", found "
     "the end of the file"},
    {"base_lr: 0.1",
     "n.prototxt:1: a net has no field \"base_lr\"; this looks like a solver file, but a net is "
     "expected"},
    {"layer { name: \"k\"\n clip_param { min: 0 } }",
     "n.prototxt:2: layer \"k\": this group needs \"max\""},
};

INSTANTIATE_TEST_SUITE_P(All, NetMistakes, testing::ValuesIn(kNetMistakes));

// Mistakes within words: line, column and what to do.
const Case kLexicalMistakes[] = {
    {"layer {\n name: \"d\"\n data_param { source: \"C:\\Users\\me\" } }",
     "n.prototxt:3:26: layer \"d\": in data_param, the backslash in \"\\U\" starts no valid "
     "escape; write \"/\" in paths, or \"\\\\\" for a backslash"},
    {"name: 'a\\q'",
     "n.prototxt:1:9: the backslash in \"\\q\" starts no valid escape; write "
     "\"/\" in paths, or \"\\\\\" for a backslash"},
    {"name: 'a\\",
     "n.prototxt:1:7: the string that starts here has no closing quote (') on its line; add it"},
    {"name: \"D:\\data\\\"\ninput: \"x\"",
     "n.prototxt:1:10: the backslash in \"\\d\" starts no valid escape; write \"/\" in "
     "paths, "
     "or \"\\\\\" for a backslash"},
    {"name: \"D:\\\"\ninput: \"x\"",
     "n.prototxt:1:10: the backslash makes the next quote part of the string, which then has "
     "no closing quote; write \"/\" in paths, or \"\\\\\" for a backslash"},
    {"name: \"a\\xg\"",
     "n.prototxt:1:9: the backslash in \"\\x\" starts no valid escape; "
     "write \"/\" in paths, or \"\\\\\" for a backslash"},
    {"name: \"\\u12\"",
     "n.prototxt:1:8: the backslash in \"\\u\" starts no valid escape; "
     "write \"/\" in paths, or \"\\\\\" for a backslash"},
    // Columns count letters; a tab is one.
    {"\tinput: \"\xc3\xa9\"\tname: \xe2\x80\x9cnet\xe2\x80\x9d",
     "n.prototxt:1:19: a curly quote (U+201C) is outside quotes; use the plain quote \""},
    {"name:\xc2\xa0\"net\"",
     "n.prototxt:1:6: a non-breaking space (U+00A0) is outside quotes; use a plain space instead"},
    {"name: \"a\"\n\xef\xbb\xbfinput: \"x\"",
     "n.prototxt:2:1: a byte-order mark (U+FEFF) is outside quotes; remove it"},
    {"input_shape { dim: \xe2\x88\x92"
     "1 }",
     "n.prototxt:1:20: in input_shape, a minus sign (U+2212) is outside quotes; use the plain "
     "minus sign -"},
    {"name: caf\xc3\xa9",
     "n.prototxt:1: \"name\" takes a string in quotes, found caf; write \"caf\""},
    {"\xc3\xa9: 1",
     "n.prototxt:1:1: the letter \"\xc3\xa9\" (U+00E9) is outside quotes; put the "
     "text in quotes, or remove it"},
    {"name: \xe9",
     "n.prototxt:1:7: the byte 233 is not UTF-8; save the file as UTF-8, or correct "
     "it"},
    {"layer { convolution_param { kernel_size: 3x3 } }",
     "n.prototxt:1:42: the layer that starts on line 1: in convolution_param, \"3x3\" is not a "
     "number; write it as 12, 0.5 or 1e-3, with a space after it"},
    {"layer { loss_weight: 1.2.3 }",
     "n.prototxt:1:22: the layer that starts on line 1: \"1.2.3\" is not a number; write it as 12, "
     "0.5 or 1e-3, with a space after it"},
    {"input_dim: 08", "n.prototxt:1:12: \"08\" is not a number; remove the leading 0"},
    {"layer { loss_weight: 010 }",
     "n.prototxt:1: the layer that starts on line 1: \"loss_weight\" takes a decimal number, found "
     "010; remove the leading 0"},
    {"// a comment\nname: \"a\"",
     "n.prototxt:1: expected the name of a field, found /; comments begin with #"},
    {"name: \"a\" /* b */",
     "n.prototxt:1: expected the name of a field, found /; comments begin with #"},
    {"layer { loss_weight: 1/256 }",
     "n.prototxt:1: the layer that starts on line 1: expected the name of a field, found /; write "
     "a fraction as a decimal, as in 0.00390625"},
    {"layer { loss_weight: 0,5 }",
     "n.prototxt:1: the layer that starts on line 1: \"0,5\" has a comma in it; write 0.5"},
    {"layer { loss_weight: 0, 5 }",
     "n.prototxt:1: the layer that starts on line 1: expected the name of a field, found 5; "
     "decimals are written with a point, as in 0.5, and lists in [ and ]"},
    {"layer { transform_param { scale: 0,0078125 } }",
     "n.prototxt:1:36: the layer that starts on line 1: in transform_param, \"0,0078125\" has a "
     "comma in it; write 0.0078125"},
    {"input_dim: 10,000",
     "n.prototxt:1: \"10,000\" has a comma in it; write 10000, or 10.000 for a fraction"},
    {"input_dim: [1,08]", "n.prototxt:1:15: \"08\" is not a number; remove the leading 0"},
    {"name = \"a\"",
     "n.prototxt:1: expected a \":\" and a value after \"name\", found =; write \":\" instead of "
     "\"=\""},
    {"layer = { }",
     "n.prototxt:1: \"layer\" is a group: expected \"layer { ... }\", found =; write \":\" instead "
     "of \"=\""},
    {"layer ( )",
     "n.prototxt:1: \"layer\" is a group: expected \"layer { ... }\", found (; groups "
     "are enclosed in { and }"},
    {"input_dim: +3",
     "n.prototxt:1: \"input_dim\" takes an integer from -2147483648 to 2147483647, found +; remove "
     "the +"},
    {"name: \"a\",, input: \"b\"",
     "n.prototxt:1: expected the name of a field, found ,; remove the comma"},
};

INSTANTIATE_TEST_SUITE_P(Lexical, NetMistakes, testing::ValuesIn(kLexicalMistakes));

TEST(TextReader, NamesThePlaceOfAControlCharacter) {
  const std::string text("name: \"a net\" # a comment\n  input: \"d\0ta\"", 42);
  EXPECT_EQ(NetError(text),
            "n.prototxt:2:12: the text contains a control character (byte 0); remove it, or "
            "replace the file with an undamaged copy");
}

TEST(TextReader, KnowsUtf16WithoutItsMark) {
  std::string text;
  for (const char c : std::string("name: \"a\"\nlayer { }\n")) text += {c, '\0'};
  EXPECT_EQ(NetError(text), "n.prototxt: is UTF-16 text; save it as UTF-8");
}

// Else a comment would have no end, and all behind it would be lost in silence.
TEST(TextReader, ReadsTheLineEndsOfOldMacs) {
  proto::NetParameter net;
  ReadText("# a comment\rname: \"n\"\rlayer { name: \"a\" }\r", "n.prototxt", &net);
  EXPECT_EQ(net.name(), "n");
  EXPECT_EQ(net.layer_size(), 1);
}

// A name could otherwise pass for a line of the log.
TEST(TextReader, RefusesEndsOfLinesInTexts) {
  EXPECT_EQ(
      NetError("name: 'net\\nI0101 00:00:00.000000 1 solver.cpp:1] Iteration 1, loss = 0'"),
      "n.prototxt:1: \"name\" is \"net\\x0aI0101 00:00:00.000000 1 solver.cpp:1] Iteration 1, "
      "loss ...\", with an end of line in it; remove that");
  for (const char* text : {"name: 'a\\nb'", "top: 'a\\rb'", "bottom: 'a\\012b'", "type: 'a\\nb'",
                           "param { name: 'a\\nb' }", "include { stage: 'a\\nb' }",
                           "data_param { source: 'a\\nb' }"}) {
    EXPECT_THAT(NetError(Concat("layer {\n", text, "}")),
                testing::AllOf(testing::HasSubstr("n.prototxt:2: "),
                               testing::HasSubstr("with an end of line in it; remove that")))
        << text;
  }
  EXPECT_EQ(
      NetError("layer { name: \"d\" engine: \"MKL2017\"\n top: 'a\\nb' }"),
      "n.prototxt:2: layer \"d\": \"top\" is \"a\\x0ab\", with an end of line in it; remove that");
  for (const char* field : {"snapshot_prefix", "net", "test_state { stage: 'a\\nb' } train_net"}) {
    EXPECT_THAT(SolverError(Concat(field, ": 'a\\nb'")),
                testing::HasSubstr("an end of line in it"));
  }
  EXPECT_EQ(NetError("layer { name: 'p\\t\\033' python_param { param_str: 'a: 1\\nb: 2' } }"), "");
}

// Fields of other Caffes that change nothing are no reason to refuse a net.
TEST(TextReader, LeavesOutWhatChangesNothing) {
  proto::NetParameter net;
  const std::vector<std::string> notes = ReadText(
      "name: \"n\"\n"
      "default_forward_type: FLOAT16\n"
      "layer { name: \"a\" type: \"Pooling\" engine: \"MKL2017\" pooling_param { engine: MKLDNN\n"
      "  kernel_size: 3 avg_include_pad: true } }\n"
      "layer { name: \"b\" engine: \"CAFFE\" type: 'Dropout' dropout_param { scale_train: true\n"
      "  dropout_ratio: 0.25 } forward_math: FLOAT; top: \"b\" }\n",
      "n.prototxt", &net);
  EXPECT_EQ(notes, (std::vector<std::string>{
                       "\"avg_include_pad\" (line 4) was ignored; it comes from Intel's Caffe",
                       "\"default_forward_type\" (line 2) was ignored; it comes from NVIDIA's "
                       "Caffe: all numbers are float32 here",
                       "\"engine\" (line 3) was ignored; an engine of another Caffe means the "
                       "default engine here",
                       "\"engine\" (line 3 and 1 more) was ignored; it comes from Intel's Caffe",
                       "\"forward_math\" (line 6) was ignored; it comes from NVIDIA's Caffe: all "
                       "numbers are float32 here",
                       "\"scale_train\" (line 5) was ignored; it comes from various forks of "
                       "Caffe"}));
  ASSERT_EQ(net.layer_size(), 2);
  EXPECT_EQ(net.layer(0).pooling_param().kernel_size(), 3u);
  EXPECT_FALSE(net.layer(0).pooling_param().has_engine());
  EXPECT_EQ(net.layer(1).dropout_param().dropout_ratio(), 0.25f);
  EXPECT_EQ(net.layer(1).top(0), "b");
}

TEST(TextReader, RefusesWhatWouldChangeSomething) {
  EXPECT_EQ(NetError("layer { name: \"d\"\n dropout_param { scale_train: false } }"),
            "n.prototxt:2: layer \"d\": dropout_param has no field \"scale_train\" (it comes from "
            "various forks of Caffe; only true is supported)");
  // What is left out does not hide a mistake behind it, or move its line.
  EXPECT_EQ(NetError("layer { engine: \"CAFFE\"\n\n nam: \"d\" }"),
            "n.prototxt:3: the layer that starts on line 1 has no field \"nam\"; did you mean "
            "\"name\"?");
  EXPECT_EQ(NetError("layer { engine: }"),
            "n.prototxt:1: the layer that starts on line 1 has no field \"engine\" (it comes from "
            "Intel's Caffe)");
  EXPECT_EQ(NetError("global_grad_scale: 1\nlayer { name: \"k\"\n clip_param { min: 0 } }"),
            "n.prototxt:3: layer \"k\": this group needs \"max\"");
}

TEST(TextReader, TellsANetFromASolver) {
  EXPECT_EQ(SolverError("layer { }"),
            "s.prototxt:1: a solver has no field \"layer\"; this looks like a net, but a solver "
            "file is expected");
  EXPECT_EQ(SolverError("engine: 'MKL2017'"), "");
  EXPECT_EQ(SolverError("disabled_update: true"),
            "s.prototxt:1: a solver has no field \"disabled_update\" (it comes from Intel's Caffe; "
            "only false is supported)");
}

TEST(TextReader, NamesTheLayerOfANetInsideASolver) {
  EXPECT_EQ(SolverError("net_param { layer { name: \"c\" botom: \"b\" } }"),
            "s.prototxt:1: layer \"c\" has no field \"botom\"; did you mean \"bottom\"?");
}

TEST(TextReader, RefusesFilesThatAreNoText) {
  const auto folder = TestFolder();
  proto::NetParameter net;
  const auto error_of = [&](const std::string& path) {
    return ErrorOf([&] { ReadTextFile(path, &net); });
  };
  const std::string absent = (folder / "absent.prototxt").string();
  EXPECT_EQ(error_of(absent), absent + ": cannot be opened: No such file or directory");
  EXPECT_EQ(error_of(folder.string()), folder.string() + ": is a folder, not a file");
  const std::string empty = WriteTestFile(folder / "empty", " \n# nothing\n");
  EXPECT_EQ(error_of(empty), empty + ": is empty");
  const std::string binary = WriteTestFile(folder / "binary", std::string("\x0a\x03net\x00", 6));
  EXPECT_EQ(error_of(binary), binary + ": is a binary file, not text (.prototxt)");
  const std::string wide = WriteTestFile(folder / "wide", std::string("\xff\xfen\0a\0", 6));
  EXPECT_EQ(error_of(wide), wide + ": is UTF-16 text; save it as UTF-8");
  const std::string page = WriteTestFile(folder / "page", "<!DOCTYPE html>");
  EXPECT_TRUE(Contains(error_of(page), "is a web page")) << error_of(page);
  const std::string hdf5 = WriteTestFile(folder / "hdf5", "\x89HDF\r\n\x1a\n....");
  EXPECT_EQ(error_of(hdf5), hdf5 + ": is an HDF5 file, not a text file");
}

TEST(TextReader, SurvivesHostileTexts) {
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "net_param { ";
  EXPECT_NE(SolverError(deep), "");
  // No message of ours contains itself; the limit is reached by wrong nesting only.
  EXPECT_NE(NetError(std::string(100000, '{')), "");
  EXPECT_NE(NetError(std::string(100000, '[')), "");
  EXPECT_NE(NetError("name: \"" + std::string(1000000, 'x')), "");
  EXPECT_LT(NetError("layer { name: \"" + std::string(1000000, 'x') + "\" y: 1 }").size(), 300u);
  EXPECT_LT(NetError(std::string(1000000, 'x') + ": 1").size(), 300u);
  EXPECT_NE(NetError(std::string("name: \"a\0b\" x", 13)), "");
}

TEST(TextReader, RefusesNumbersThatAreNotFinite) {
  EXPECT_EQ(SolverError("base_lr: 1\nmomentum: nan"),
            "s.prototxt:2: \"momentum\" is nan; give a number");
  EXPECT_EQ(SolverError("base_lr: -inf"),
            "s.prototxt:1: \"base_lr\" is -inf, or too large for float32; give a finite number");
  EXPECT_EQ(
      NetError("layer { name: 'fc'\n inner_product_param { weight_filler {\n std: 1e400 } } }"),
      "n.prototxt:3: layer \"fc\": \"std\" is inf, or too large for float32; give a finite "
      "number");
  EXPECT_EQ(NetError("layer { name: 'a'\n loss_weight: 1\n loss_weight: nan }"),
            "n.prototxt:3: layer \"a\": \"loss_weight\" is nan; give a number");
  EXPECT_EQ(NetError("layers { name: 'a' loss_weight: 1e39 }").find("n.prototxt:1: layer \"a\""),
            0u);
  EXPECT_EQ(NetError("layer { clip_param { min: 0 max: inf } }"), "");  // a bound there is none of
}

TEST(TextReader, ErrorsTellTheirPlaceInFields) {
  const auto error = [](const std::string& text) {
    try {
      proto::NetParameter net;
      ReadText(text, "n.prototxt", &net);
    } catch (const Error& thrown) {
      return thrown;
    }
    return Error("");
  };
  for (const char* text :
       {"layer {\n name: 'a'\n pooling_param { strid: 1 } }",
        "layer {\n name: 'a'\n loss_weight: nan }", "layer {\n name: 'a'\n top: 'x\\n' }",
        "layer {\n name: 'a'\n clip_param { min: 0 } }"}) {
    EXPECT_EQ(error(text).file(), "n.prototxt") << text;
    EXPECT_EQ(error(text).line(), 3) << text;
    EXPECT_EQ(error(text).layer(), "a") << text;
  }
  EXPECT_EQ(error("name: 'x'\nlayr { }").line(), 2);
  EXPECT_EQ(error("name: 'x'\nlayr { }").layer(), "");
  EXPECT_EQ(error("name: 'x'\nname: 'y\n").line(), 2);
}

// A text with most of what the grammar has.
const char kSample[] =
    "name: \"sample\" input: 'data' input_dim: [1, 3, 0x20, 32]\n"
    "layer { name: \"conv1\" type: \"Convolution\" bottom: \"data\" top: \"conv1\"\n"
    "  param < lr_mult: 1e-1 > param { decay_mult: -0.5f };\n"
    "  convolution_param { num_output: 8, kernel_size: 3 bias_term: false\n"
    "    weight_filler { type: \"gaus\" \"sian\" std: .01 } engine: CAFFE } }  # end\n"
    "layer: { name: 'loss' include { phase: TRAIN stage: \"a\" } loss_weight: 1.5 }\n"
    "state { level: -3 }\n";

// Whatever protobuf refuses, the diagnosis must find fault with, and nothing else.
TEST(TextDiagnosis, AgreesWithProtobufOnDamagedTexts) {
  std::mt19937 random(7);
  const std::string sample = kSample;
  const std::string replacements = "{}<>[]:,;\"'#-.0x1eaT \n";
  for (int round = 0; round < 4000; ++round) {
    std::string text = sample;
    const size_t at = random() % text.size();
    if (round % 3 == 0) text.erase(at, 1 + random() % 8);
    if (round % 3 == 1) text[at] = replacements[random() % replacements.size()];
    if (round % 3 == 2) text.insert(at, 1, replacements[random() % replacements.size()]);
    proto::NetParameter net;
    const bool accepted = NetError(text).empty();
    const std::string found =
        ErrorOf([&] { DiagnoseText(text, "n.prototxt", net.GetDescriptor()); });
    ASSERT_EQ(accepted, found.empty()) << text << "\n" << NetError(text) << "\n" << found;
  }
}

TEST(TextReader, SampleIsValid) { EXPECT_EQ(NetError(kSample), ""); }

TEST(Suggest, FindsTheNearestWord) {
  const std::vector<std::string> words = {"kernel_size", "stride", "pad", "MAX"};
  EXPECT_EQ(Nearest("kernal_size", words), "kernel_size");
  EXPECT_EQ(Nearest("sride", words), "stride");
  EXPECT_EQ(Nearest("dap", words), "");
  EXPECT_EQ(Nearest("apd", words), "pad");
  EXPECT_EQ(Nearest("max", words), "MAX");
  EXPECT_EQ(Nearest("momentum", words), "");
  EXPECT_EQ(Nearest("", words), "");
}

TEST(ForkHints, KnowLayerTypes) {
  EXPECT_EQ(ForkOfLayerType("ROIPooling"), "Fast R-CNN");
  EXPECT_EQ(ForkOfLayerType("Convolution"), "");
  EXPECT_EQ(ForkOfLayerType("relu6"), "MobileNet ports");
  EXPECT_EQ(ForkOfLayerType("CuDNNConvolution"), "");
  EXPECT_EQ(AdviceForLayerType("ROIPooling"), "");
  EXPECT_EQ(AdviceForLayerType("Convolution"), "");
}

// What the advice says is accepted, so that nobody is sent from one error to another.
TEST(ForkHints, AdviseWhatCanBeRead) {
  for (const std::string type : {"ReLU6", "CuDNNConvolution", "CuDNNDeconvolution", "CuDNNPooling",
                                 "CuDNNReLU", "CuDNNSigmoid", "CuDNNTanH", "CuDNNSoftmax",
                                 "CuDNNLRN", "CuDNNLCN", "CuDNNBatchNorm", "CuDNNDropout"}) {
    std::string advice = AdviceForLayerType(type);
    EXPECT_EQ(advice.rfind("write type: \"", 0), 0u) << type << ": " << advice;
    const size_t with = advice.find(" with ");
    if (with != std::string::npos) advice.replace(with, 6, " ");
    EXPECT_EQ(NetError("layer { name: \"a\" " + advice.substr(6) + " }"), "") << type;
  }
}

// Each name of a group that is recommended is one.
TEST(ForkHints, KnowNamesThatPeopleMistake) {
  const std::pair<std::string, std::string> cases[] = {
      {"conv_param", "convolution_param"},     {"deconv_param", "convolution_param"},
      {"pool_param", "pooling_param"},         {"ip_param", "inner_product_param"},
      {"batchnorm_param", "batch_norm_param"}, {"transformation_param", "transform_param"},
  };
  for (const auto& [wrong, right] : cases) {
    EXPECT_EQ(NetError("layer { name: \"a\" " + wrong + " { } }"),
              "n.prototxt:1: layer \"a\" has no field \"" + wrong + "\"; did you mean \"" + right +
                  "\"?");
    EXPECT_EQ(NetError("layer { name: \"a\" " + right + " { } }"), "");
  }
  EXPECT_EQ(
      NetError("layer { name: \"a\" convolution_param { kernelsize: 3 } }"),
      "n.prototxt:1: layer \"a\": convolution_param has no field \"kernelsize\"; did you mean "
      "\"kernel_size\"?");
  EXPECT_EQ(NetError("layer { name: \"a\" blobs_lr: 1 }"),
            "n.prototxt:1: layer \"a\" has no field \"blobs_lr\"; it belongs to the old format "
            "\"layers\"; here write param { lr_mult: ... } for each blob");
  EXPECT_EQ(SolverError("learning_rate: 1"),
            "s.prototxt:1: a solver has no field \"learning_rate\"; did you mean \"base_lr\"?");
}

// Options that stand beside their group.
TEST(TextReader, NamesTheGroupOfAField) {
  EXPECT_EQ(NetError("layer { name: \"a\" kernel_size: 3 }"),
            "n.prototxt:1: layer \"a\" has no field \"kernel_size\"; it belongs in "
            "convolution_param { ... }, pooling_param { ... }");
  EXPECT_EQ(NetError("layer { name: \"a\" lr_mult: 2 }"),
            "n.prototxt:1: layer \"a\" has no field \"lr_mult\"; it belongs in param { ... }");
  EXPECT_EQ(NetError("layer { name: \"a\" batch_size: 3 }"),
            "n.prototxt:1: layer \"a\" has no field \"batch_size\"; it belongs in data_param { ... "
            "}, hdf5_data_param { ... }, image_data_param { ... } or the like");
}

// Of the published nets, those of BVLC are all read; those of forks are read, or get a sentence
// that names the fork.
TEST(TextReader, ReadsPublishedFiles) {
  const auto folder = ZooFolder() / "nets";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no published nets at " << folder;
  int read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (entry.path().extension() != ".prototxt") continue;
    const bool is_solver = Contains(entry.path().filename().string(), "solver");
    const std::string error = ErrorOf([&] {
      proto::NetParameter net;
      proto::SolverParameter solver;
      google::protobuf::Message* out = &net;
      if (is_solver) out = &solver;
      ReadTextFile(path, out);
    });
    const bool may_fail = !Contains(path, "BVLC+caffe") && Contains(error, "it comes from");
    EXPECT_TRUE(error.empty() || may_fail) << error;
    read += error.empty();
  }
  EXPECT_GT(read, 40);
}

// Each would take a hundred times the room that it has in the text.
TEST(ReadText, LimitsGroups) {
  std::string text, spaced;
  for (int i = 0; i < 40000; ++i) {
    text += i % 2 == 0 ? "layer{}" : "layer<>";
    spaced += "layer { name: 'a' type: 'b' }\n";
  }
  proto::NetParameter net;
  EXPECT_EQ(ErrorOf([&] { ReadText(text, "f", &net); }),
            "f: opens 40000 groups with { or < in only 280000 letters, far more than a net needs; "
            "remove those that are empty");
  ReadText(spaced, "f", &net);
  EXPECT_EQ(net.layer_size(), 40000);
  const std::string binary = std::string(1000000, '{') + std::string(200000, '\1');
  EXPECT_EQ(ErrorOf([&] { ReadText(binary, "f", &net); }),
            "f: is a binary file, not text (.prototxt)");
}

}  // namespace
}  // namespace crema
