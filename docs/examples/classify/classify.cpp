// Says what a picture shows.
#include <algorithm>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "crema/error.h"
#include "crema/image.h"
#include "crema/predictor.h"

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::cerr << "usage: classify DEPLOY.prototxt NET.caffemodel LABELS.txt PICTURE\n";
    return 2;
  }
  std::vector<std::string> labels;
  std::ifstream lines(argv[3]);
  for (std::string line; std::getline(lines, line);) labels.push_back(line);
  if (labels.empty()) crema::Fail(argv[3], ": has no labels");

  crema::Predictor predictor(argv[1], argv[2]);
  crema::InputView input = predictor.Input();
  crema::ImageOptions options;
  options.height = static_cast<int>(input.shape()[2]);
  options.width = static_cast<int>(input.shape()[3]);
  options.mean_values = {104, 117, 123};  // those that the net was trained with
  const crema::LoadedImage picture = crema::LoadImage(argv[4], options);
  input.Set(picture.values, picture.shape);
  predictor.Run();

  const crema::OutputView scores = predictor.Output();
  if (labels.size() != scores.size()) {
    crema::Fail(argv[3], ": has ", labels.size(), " labels for ", scores.size(), " scores");
  }
  std::vector<size_t> order(labels.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t shown = std::min<size_t>(order.size(), 5);
  std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                    [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  for (size_t i = 0; i < shown; ++i) {
    std::cout << std::fixed << std::setprecision(4) << scores[order[i]] << "  " << labels[order[i]]
              << "\n";
  }
} catch (const crema::Error& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
