#include <crema/dev/registry.h>

#include <iostream>

int main() {
  for (const auto& type : crema::LayerTypes(crema::DeviceKind::kCpu)) std::cout << type << "\n";
}
