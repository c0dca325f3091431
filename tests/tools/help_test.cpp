// The manual that `crema help` prints.
#include <gmock/gmock.h>

#include <filesystem>
#include <regex>

#include "tools/tool_process.h"
#include "train/train_test_util.h"
#include "util/many_cases.h"
#include "util/paths.h"

namespace crema {
namespace {

using testing::HasSubstr;

std::string Help(const std::string& name) {
  const ToolResult result = RunTool({"help", name}, {});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  return result.out;
}

std::vector<std::string> LayerNames() { return SplitLines(Help("layers")); }

TEST(HelpTest, ListsAllLayers) {
  const std::string list = RunTool({"help"}, {}).out;
  for (const std::string& layer : LayerNames()) {
    EXPECT_THAT(list, testing::ContainsRegex("\n  " + layer + " +[A-Za-z(].*[.:]\n"));
  }
}

TEST(HelpTest, PagesTellTheFieldsOfALayer) {
  const std::string page = Help("Convolution");
  for (const char* part : {"Filters that slide", "convolution_param", "num_output  (uint32)",
                           "dilation", "Default: 1", "FillerParameter", "\"xavier\"", "CUDNN:"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  EXPECT_THAT(Help("SoftmaxWithLoss"), HasSubstr("ignore_label"));
  EXPECT_THAT(Help("Data"), HasSubstr("crop_size"));
  EXPECT_THAT(Help("Silence"), HasSubstr("Takes 1 or more bottoms, makes no tops."));
  EXPECT_THAT(Help("ReLU"), HasSubstr("May run in place."));
  EXPECT_THAT(Help("solver"), HasSubstr("base_lr  (float)"));
  EXPECT_THAT(Help("net"), HasSubstr("force_backward"));
  EXPECT_THAT(Help("layer"), HasSubstr("lr_mult"));
  EXPECT_THAT(Help("layer"), testing::Not(HasSubstr("pooling_param  (")));
}

TEST(HelpTest, FindsFields) {
  for (const char* part : {"the solver", "lr_policy  (string)", "\"multistep\""}) {
    EXPECT_THAT(Help("lr_policy"), HasSubstr(part));
  }
  EXPECT_THAT(Help("weight_decay"), HasSubstr("weight_decay  (float)"));
  const std::string kernel = Help("kernel_size");
  for (const char* part : {"Convolution, Deconvolution", "Pooling", "repeated uint32"}) {
    EXPECT_THAT(kernel, HasSubstr(part));
  }
  EXPECT_THAT(Help("pool"), HasSubstr("MAX"));
  EXPECT_THAT(Help("pooling_param"), HasSubstr("crema help Pooling"));
  EXPECT_THAT(Help("FillerParameter"), HasSubstr("\"xavier\""));
  const ToolResult wrong = RunTool({"help", "lr_polcy"}, {});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("did you mean 'lr_policy'?"));
  EXPECT_THAT(RunTool({"help", "trian"}, {}).err, HasSubstr("did you mean 'train'?"));
}

// Formulas and tables, which are not broken, may be a little longer than the rest.
TEST(HelpTest, LinesFitATerminal) {
  for (const char* name : {"Convolution", "Pooling", "solver", "layer"}) {
    for (const std::string& line : SplitLines(Help(name))) EXPECT_LE(line.size(), 106u) << line;
  }
}

TEST(HelpTest, NamesTheNearestPage) {
  const ToolResult result = RunTool({"help", "Convolutoin"}, {});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("did you mean 'Convolution'?"));
}

// What convert makes databases from is explained one by one.
TEST(HelpTest, ExplainsASourceOfConvert) {
  const std::string imageset = RunTool({"help", "convert", "imageset"}, {}).out;
  EXPECT_THAT(imageset,
              testing::StartsWith("usage: crema convert imageset ROOT LISTFILE OUT_DB [options]"));
  for (const char* part : {"LISTFILE is the path", "OUT_DB must not exist", "JPEG, PNG",
                           "\noptions:\n  --backend", "\n  --encoded", "\n  --skip_bad"}) {
    EXPECT_THAT(imageset, HasSubstr(part));
  }
  EXPECT_THAT(imageset, testing::Not(HasSubstr("CIFAR")));
  EXPECT_EQ(RunTool({"convert", "imageset", "--help"}, {}).out, imageset);
  EXPECT_EQ(RunTool({"--help", "convert", "--gray", "imageset"}, {}).out, imageset);
  const std::string mnist = RunTool({"help", "convert", "mnist"}, {}).out;
  EXPECT_THAT(mnist, HasSubstr("--backend"));
  for (const char* part : {"JPEG, PNG", "--encoded", "--shuffle_seed"}) {
    EXPECT_THAT(mnist, testing::Not(HasSubstr(part)));
  }
}

TEST(HelpTest, ConvertListsItsSources) {
  const std::string all = Help("convert");
  for (const std::string source : {"mnist", "mnist_pairs", "cifar10", "imageset", "folder"}) {
    EXPECT_THAT(all, HasSubstr("\ncrema convert " + source + " "));
    const ToolResult one = RunTool({"convert", source, "--help"}, {});
    EXPECT_EQ(one.status, 0);
    EXPECT_THAT(one.out, HasSubstr("must not exist yet"));
    for (const std::string& line : SplitLines(one.out)) EXPECT_LE(line.size(), 80u) << line;
  }
  EXPECT_THAT(all, HasSubstr("crema convert SOURCE --help`"));
}

TEST(HelpTest, RefusesNamesThatItCannotExplain) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"help", "convert", "imagset"}, "did you mean 'imageset'?"},
      {{"help", "convert", "imageset", "folder"}, "unexpected argument 'folder'"},
      {{"help", "train", "solver"}, "crema train has no 'solver'; use crema help train"},
      {{"help", "Convolution", "Pooling"}, "takes one name"},
      {{"help", "layers", "Pooling"}, "takes one name"},
      {{"convert", "imageset", "."}, "(see crema convert imageset --help)"},
  };
  for (const auto& [words, part] : cases) {
    const ToolResult result = RunTool(words, {});
    EXPECT_EQ(result.status, 2) << part;
    EXPECT_EQ(result.out, "") << part;
    EXPECT_THAT(result.err, HasSubstr(part));
  }
}

// A field's line is followed by its comment.
TEST(HelpTest, EveryFieldHasAComment) {
  std::vector<std::string> pages = LayerNames();
  pages.insert(pages.end(), {"solver", "net", "layer"});
  for (size_t page = 0; page < pages.size(); page += test::CaseStride(6)) {
    const std::string& name = pages[page];
    const std::vector<std::string> lines = SplitLines(Help(name));
    ASSERT_GT(lines.size(), 2u) << name;
    EXPECT_THAT(lines[2], testing::StartsWith("  ")) << name << " has no purpose";
    for (size_t i = 0; i + 1 < lines.size(); ++i) {
      const std::string& line = lines[i];
      const bool is_field = line.compare(0, 2, "  ") == 0 && line[2] != ' ' &&
                            line.find("  (") != std::string::npos && line.back() == ')';
      if (!is_field) continue;
      EXPECT_THAT(lines[i + 1], testing::StartsWith("      ")) << name << ": " << line;
    }
  }
}

// What the build makes of the manual is looked at in tests/install.
TEST(HelpTest, MakesCompletionForTheShellsThatItKnows) {
  EXPECT_THAT(Help("--completion=bash"), HasSubstr("--solver="));
  EXPECT_THAT(Help("--completion=zsh"), HasSubstr("--solver="));
  const ToolResult other = RunTool({"help", "--completion=fish"}, {});
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("--completion=fish: must be bash or zsh"));
  EXPECT_EQ(other.out, "");
}

TEST(HelpTest, SaysIfManPagesCannotBeWritten) {
  const std::filesystem::path file = TestFolder() / "file";
  WriteTestFile(file, "");
  const ToolResult result = RunTool({"help", "--man=" + file.string()}, {});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr(file.string()));
  EXPECT_EQ(ReadTestFile(file), "");
}

// Their paths from the folder on.
std::vector<std::string> FilesBelow(const std::filesystem::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(folder));
  }
  return files;
}

// docs/layers is what the program says.
TEST(HelpTest, PagesInTheDocumentationAreUpToDate) {
  const std::filesystem::path made = TestFolder() / "layers";
  const std::filesystem::path kept = SourceFolder() / "docs" / "layers";
  Help("--markdown=" + made.string());
  const std::vector<std::string> names = FilesBelow(made);
  EXPECT_EQ(names.size(), LayerNames().size() + 1);
  for (const std::string& name : names) {
    ASSERT_TRUE(std::filesystem::exists(kept / name))
        << name << " is missing; run crema help --markdown=docs/layers";
    EXPECT_EQ(ReadTestFile(kept / name), ReadTestFile(made / name))
        << "run crema help --markdown=docs/layers";
  }
  for (const std::string& name : FilesBelow(kept)) {
    EXPECT_TRUE(std::filesystem::exists(made / name))
        << name << " is of a layer that does not exist";
  }
  EXPECT_THAT(ReadTestFile(made / "README.md"), testing::Not(HasSubstr("Others")))
      << "add the layer to its kind in tools/layer_kinds.cpp";
}

// The folder of a layer's page is that of its source.
TEST(HelpTest, PagesLieWhereSourcesDo) {
  const std::filesystem::path sources = SourceFolder() / "src" / "layers";
  const std::regex registration("CREMA_REGISTER_LAYER\\(\"([A-Za-z0-9]+)\"");
  size_t layers = 0;
  for (const std::string& file : FilesBelow(sources)) {
    if (std::filesystem::path(file).extension() != ".cpp") continue;
    const std::string text = ReadTestFile(sources / file);
    for (std::sregex_iterator it(text.begin(), text.end(), registration), end; it != end; ++it) {
      const std::filesystem::path page =
          std::filesystem::path(file).replace_filename((*it)[1].str() + ".md");
      EXPECT_TRUE(std::filesystem::exists(SourceFolder() / "docs" / "layers" / page)) << page;
      ++layers;
    }
  }
  EXPECT_EQ(layers, LayerNames().size());
}

}  // namespace
}  // namespace crema
