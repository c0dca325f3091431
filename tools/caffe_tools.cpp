#include "caffe_tools.h"

#include <map>

namespace crema {
namespace {

const std::map<std::string, std::string>& Substitutes() {
  static const std::string as_it_is = "crema reads files of all old formats as they are; ";
  static const std::string not_yet = "there is no such command yet; ";
  static const std::string own_program =
      "crema test prints what a net says of each picture of a list (docs/your_own_data.md, section "
      "9), and a program of your own can run a net (docs/using_a_trained_net.md)";
  static const std::map<std::string, std::string> substitutes = {
      {"caffe", "use crema train, crema test or crema time"},
      {"train_net", "use crema train --solver=FILE"},
      {"finetune_net", "use crema train --solver=FILE --weights=FILE"},
      {"test_net", "use crema test --model=FILE --weights=FILE"},
      {"net_speed_benchmark", "use crema time --model=FILE"},
      {"convert_imageset", "use crema convert imageset ROOT LISTFILE OUT_DB"},
      {"convert_mnist_data", "use crema convert mnist IMAGES LABELS OUT_DB"},
      {"convert_mnist_siamese_data", "use crema convert mnist_pairs IMAGES LABELS OUT_DB"},
      {"convert_cifar_data", "use crema convert cifar10 FOLDER OUT_FOLDER"},
      {"compute_image_mean", "use crema mean DB OUT.binaryproto"},
      {"extract_features",
       "add an HDF5Output layer with the blob as its bottom to the net, and run crema test"},
      {"upgrade_net_proto_text", as_it_is + "crema show --model=FILE checks a net"},
      {"upgrade_net_proto_binary", as_it_is + "crema test --weights=FILE accepts the weights"},
      {"upgrade_solver_proto_text", as_it_is + "crema train --solver=FILE accepts the solver"},
      {"draw_net", "use crema show --model=FILE, which lists layers, shapes and memory"},
      {"parse_log", "use crema train --metrics=FILE, which writes JSON, or crema plot LOG"},
      {"plot_training_log", "use crema plot LOG"},
      {"plot_log", "use crema plot LOG"},
      {"classify", not_yet + own_program},
      {"classification", "build the example in docs/examples/classify"},
      {"detect", not_yet + own_program},
      {"train_lenet", "use crema train --solver=models/lenet/solver.prototxt"},
      {"get_mnist", "use data/mnist/get_mnist.sh"},
      {"create_mnist", "use data/mnist/create_mnist.sh"},
      {"create_imagenet", "use crema convert imageset ROOT LISTFILE OUT_DB"},
      {"make_imagenet_mean", "use crema mean DB OUT.binaryproto"},
      {"extract_seconds", "use crema plot LOG --x=time"},
      {"summarize", "use crema show --model=FILE"},
      {"resize_and_crop_images",
       "use crema convert folder FOLDER OUT_DB --resize_height=N --resize_width=N"},
  };
  return substitutes;
}

// "tools/extra/parse_log.py" -> "parse_log".
std::string BaseName(const std::string& name) {
  const std::string file = name.substr(name.find_last_of('/') + 1);
  return file.substr(0, file.find('.'));
}

}  // namespace

std::vector<std::string> CaffeToolNames() {
  std::vector<std::string> names;
  for (const auto& substitute : Substitutes()) names.push_back(substitute.first);
  return names;
}

std::string InsteadOfCaffeTool(const std::string& name) {
  const auto found = Substitutes().find(BaseName(name));
  return found == Substitutes().end() ? "" : found->second;
}

}  // namespace crema
