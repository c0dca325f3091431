// check_gradients PLUGIN.so: compares the gradients of the example's layers with differences.
#include "crema/dev/check_gradients.h"

#include <exception>
#include <iostream>
#include <string>

#include "crema/load_plugins.h"

// Two layers one after the other, between an input and a loss.
const char kNet[] = R"(
  layer { name: "in" type: "Input" top: "x" top: "t" input_param { shape { dim: 4 dim: 5 } } }
  layer { name: "shrink" type: "Shrink" bottom: "x" top: "shrunk" shrink_param { lambda: 0.3 } }
  layer { name: "fc" type: "InnerProduct" bottom: "shrunk" top: "fc"
          inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
  layer { name: "rectifier" type: "Rectifier" bottom: "fc" top: "fc" }
  layer { name: "loss" type: "Huber" bottom: "fc" bottom: "t" huber_param { delta: 0.7 } }
)";

int main(int argc, char** argv) {
  try {
    crema::LoadPlugins({argc > 1 ? argv[1] : "example.so"});
    crema::CheckGradients(kNet);
    std::cout << "The gradients are right.\n";
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
