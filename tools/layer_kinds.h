// What kinds of layers there are: chapters of the manual, and folders of pages and sources.
#pragma once

#include <string>
#include <vector>

namespace crema {

struct LayerKind {
  const char* folder;                // "loss", in src/layers, docs/layers and tests/layers
  const char* title;                 // "Losses"
  const char* summary;               // "losses and measures"
  std::vector<std::string> members;  // types
};

// In the order of the manual. The last one, which has no members and no folder, is that of types
// that are not ours.
const std::vector<LayerKind>& LayerKinds();

// The kind of a type.
const LayerKind& KindOfLayer(const std::string& type);

}  // namespace crema
