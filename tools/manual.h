// The manual of the configuration language: the comments of proto/crema.proto, cut into pages.
#pragma once

#include <string>
#include <vector>

namespace crema {

// One field of a message.
struct ManualField {
  std::string name;
  std::string type;                 // "uint32", "FillerParameter", "repeated string"
  std::string comment;              // sentences, the default at their end
  std::vector<std::string> values;  // of an enumeration: "MAX: the largest value."
};

// The fields of one message.
struct ManualSection {
  std::string title;    // "pooling_param"
  std::string comment;  // "" where the page's purpose says it
  std::vector<ManualField> fields;
};

struct ManualPage {
  std::string title;
  std::string summary;  // one sentence
  std::string purpose;  // paragraphs, with blank lines between them
  std::string use;      // how many bottoms and tops, and the like; may be ""
  std::vector<ManualSection> sections;
};

// A page for a layer type, for "solver", "net" or "layer", for a message of the language
// ("FillerParameter"), or for a field ("lr_policy"). Throws Error if there is none, naming the
// nearest title or the nearest one of `others`, which are explained elsewhere.
ManualPage FindManualPage(const std::string& title, const std::vector<std::string>& others);

// All layer types that crema has, as pages.
std::vector<ManualPage> LayerPages();

std::string ToText(const ManualPage& page);
std::string ToMarkdown(const ManualPage& page);

// Writes a page for each layer, and README.md with a list of them, into a folder that exists.
// Throws Error.
void WriteLayerPages(const std::string& folder);

}  // namespace crema
