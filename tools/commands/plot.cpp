// crema plot: draws training curves.
#include <gflags/gflags.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <set>

#include "base/same_file.h"
#include "base/strings.h"
#include "commands/command.h"
#include "crema/error.h"
#include "plot/chart.h"
#include "plot/curves.h"
#include "plot/series.h"
#include "schema/binary_io.h"

DEFINE_string(out, "curves.png", "The picture to write (.png or .svg)");
DEFINE_string(x, "iteration", "What the x axis shows: iteration or time");
DEFINE_string(metric, "", "Draw only these curves, separated by commas, one panel each");
DEFINE_int32(smooth, 1, "Smooth training curves over this many neighbouring points");

namespace crema {
namespace {

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// What a picture can show; more panels, or names in the legend, would take gigabytes.
constexpr size_t kMostPanels = 40, kMostNames = 100;
constexpr size_t kMostRuns = 10000;

// Names of the curves that are drawn in one panel.
struct PanelNames {
  std::string title, first, second;
};

// All names of curves of all runs, in the order in which they appear.
std::vector<std::string> NamesOf(const std::vector<Run>& runs) {
  std::vector<std::string> names;
  std::set<std::string> known;
  for (const Run& run : runs) {
    for (const Curve& curve : run.curves) {
      if (known.insert(curve.name).second) names.push_back(curve.name);
    }
  }
  return names;
}

bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What a panel of one curve is called.
std::string TitleOf(const std::string& curve) {
  if (curve == "lr") return "learning rate";
  if (curve == "speed") return "iterations per second";
  if (curve == "waited") return "% of the time waiting for data";
  return curve;
}

// The loss of training with that of tests, one panel a result of tests, the rate.
std::vector<PanelNames> ChoosePanels(const std::vector<Run>& runs) {
  const std::vector<std::string> names = NamesOf(runs);
  std::vector<PanelNames> panels;
  std::vector<PanelNames> tests;
  for (const std::string& name : names) {
    if (name.rfind("test", 0) == 0) tests.push_back({name, name, ""});
  }
  if (Has(names, "loss")) panels.push_back({"loss", "loss", ""});
  const bool joint = !panels.empty() && Has(names, "test/loss");
  if (joint) panels[0].second = "test/loss";
  for (const PanelNames& test : tests) {
    if (!joint || test.first != "test/loss") panels.push_back(test);
  }
  if (Has(names, "lr")) panels.push_back({TitleOf("lr"), "lr", ""});
  if (panels.empty()) panels.push_back({TitleOf(names[0]), names[0], ""});
  return panels;
}

// For an error.
std::string Listed(std::vector<std::string> names) {
  constexpr size_t kMost = 30;
  const size_t more = names.size() - std::min(names.size(), kMost);
  if (more > 0) names.resize(kMost);
  return Join(names, ", ") + (more > 0 ? Concat(" and ", more, " more") : "");
}

// The present name of a curve: "test1/loss", as it was once called, is "test_1/loss".
std::string PresentName(const std::string& curve) {
  constexpr char kTest[] = "test";
  const size_t number = sizeof kTest - 1;
  const size_t end = curve.find_first_not_of("0123456789", number);
  const bool is_old =
      curve.rfind(kTest, 0) == 0 && end != number && end != std::string::npos && curve[end] == '/';
  return is_old ? Concat("test_", curve.substr(number)) : curve;
}

// Those of --metric: a curve's name, or that of an output in tests and training.
std::vector<PanelNames> PanelsFromFlag(const std::vector<Run>& runs) {
  const std::vector<std::string> names = NamesOf(runs);
  std::vector<PanelNames> panels;
  for (const std::string& given : NamesFromFlag("metric", FLAGS_metric)) {
    const std::string wanted = Has(names, given) ? given : PresentName(given);
    const std::string test = "test/" + wanted, train = "train/" + wanted;
    if (wanted == "loss" && Has(names, "loss")) {
      panels.push_back({"loss", "loss", Has(names, test) ? test : ""});
    } else if (Has(names, wanted)) {
      panels.push_back({TitleOf(wanted), wanted, ""});
    } else if (Has(names, train)) {
      panels.push_back({wanted, train, Has(names, test) ? test : ""});
    } else if (Has(names, test)) {
      panels.push_back({test, test, ""});
    } else {
      Fail("--metric=", given, ": no such curve; the curves are ", Listed(names));
    }
  }
  if (panels.size() > kMostPanels) {
    Fail("--metric names ", panels.size(), " curves, but a picture shows at most ", kMostPanels);
  }
  return panels;
}

bool IsOfTest(const std::string& curve) { return curve.rfind("test", 0) == 0; }

void AddSeries(const Curve* curve, int run, Panel* panel) {
  if (curve == nullptr) return;
  Series series{run, IsOfTest(curve->name), false, {}};
  for (const CurvePoint& point : curve->points) {
    series.points.emplace_back(FLAGS_x == "time" ? point.seconds : point.iteration, point.value);
  }
  if (curve->name == "lr") DrawSteps(&series.points);
  if (FLAGS_smooth > 1 && !series.dashed && curve->name != "lr") {
    panel->series.push_back(series);
    panel->series.back().faint = true;
    Smooth(FLAGS_smooth, &series.points);
  }
  panel->series.push_back(series);
}

// The files' names without folder and extension; the paths where that would be no name for one.
std::vector<std::string> LegendOf(const std::vector<Run>& runs) {
  std::vector<std::string> paths, names;
  for (const Run& run : runs) {
    paths.push_back(run.path);
    names.push_back(std::filesystem::path(run.path).stem().string());
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const bool unique = std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  return unique ? names : paths;
}

// Leaves names out of a legend that would be too long. Returns how many.
size_t ShortenLegend(std::vector<std::string>* names) {
  size_t shown = 0, left_out = 0;
  for (std::string& name : *names) {
    if (name.empty() || ++shown <= kMostNames) continue;
    name.clear();
    ++left_out;
  }
  return left_out;
}

// `left_out`: how many panels are not shown; `nameless`: how many files the legend lacks.
std::string NoteOf(const Figure& figure, size_t left_out, size_t nameless) {
  bool solid = false, dashed = false;
  for (const Panel& panel : figure.panels) {
    for (const Series& series : panel.series) (series.dashed ? dashed : solid) = true;
  }
  std::string note = !dashed ? "" : solid ? "solid: training; dashed: test" : "dashed: test";
  if (left_out > 0) {
    note += note.empty() ? "" : "; ";
    note += Concat(left_out, " more ", left_out == 1 ? "curve is" : "curves are",
                   " not shown: choose with --metric");
  }
  if (nameless > 0) {
    note += note.empty() ? "" : "; ";
    note += nameless == 1 ? "the name of 1 more file is not shown"
                          : Concat("the names of ", nameless, " more files are not shown");
  }
  return note;
}

Figure MakeFigure(const std::vector<Run>& runs) {
  Figure figure;
  figure.x_unit = FLAGS_x == "time" ? XUnit::kTime : XUnit::kIterations;
  figure.runs = LegendOf(runs);
  std::vector<PanelNames> chosen = FLAGS_metric.empty() ? ChoosePanels(runs) : PanelsFromFlag(runs);
  const size_t left_out = chosen.size() - std::min(chosen.size(), kMostPanels);
  chosen.resize(chosen.size() - left_out);
  for (const PanelNames& names : chosen) {
    Panel panel;
    panel.title = names.title;
    for (size_t r = 0; r < runs.size(); ++r) {
      AddSeries(runs[r].Find(names.first), static_cast<int>(r), &panel);
      AddSeries(runs[r].Find(names.second), static_cast<int>(r), &panel);
    }
    if (IsOfTest(names.first) || names.first.rfind("train/", 0) == 0) {
      panel.low = LowOfShares(panel);
      if (panel.low.has_value()) panel.title += " (its first values lie below the axis)";
    }
    figure.panels.push_back(panel);
  }
  const std::vector<std::string> names = figure.runs;
  JoinIdentical(&figure);
  for (Panel& panel : figure.panels) TellIdentical(names, &panel);
  const size_t nameless = ShortenLegend(&figure.runs);
  figure.note = NoteOf(figure, left_out, nameless);
  return figure;
}

}  // namespace

int RunPlot(const std::vector<std::string>& arguments) {
  if (arguments.empty()) throw UsageError("name at least one log or metrics file");
  const bool svg = EndsWith(FLAGS_out, ".svg");
  if (!svg && !EndsWith(FLAGS_out, ".png")) {
    throw UsageError("--out=" + FLAGS_out + ": the name must end with .png or .svg");
  }
  if (FLAGS_x != "iteration" && FLAGS_x != "time") {
    throw UsageError("--x=" + FLAGS_x + ": must be iteration or time");
  }
  if (FLAGS_smooth < 1) throw UsageError("--smooth must be at least 1");
  if (arguments.size() > kMostRuns) {
    throw UsageError(Concat("plot was given ", arguments.size(),
                            " files, but a picture shows at most ", kMostRuns));
  }
  CheckIsNoInput(FLAGS_out, arguments);
  CheckWritable(FLAGS_out);
  std::vector<Run> runs;
  for (const std::string& path : arguments) {
    runs.push_back(ReadRun(path));
    if (FLAGS_x == "time" && !runs.back().has_times) {
      Fail(InFile(path), ": its lines have no time; use --x=iteration");
    }
  }
  const Drawing drawing = LayOut(MakeFigure(runs));
  WriteFileAtomically(FLAGS_out, svg ? ToSvg(drawing) : ToPng(drawing));
  std::cout << "Wrote " << FLAGS_out << "\n";
  return 0;
}

}  // namespace crema
