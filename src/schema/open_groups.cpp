#include "schema/open_groups.h"

#include "crema/error.h"
#include "schema/text_tokens.h"

namespace crema {
namespace {

using google::protobuf::Descriptor;
using Tokenizer = TextTokens::Tokenizer;

// What the file's author calls the thing that a message describes.
std::string KindOf(const Descriptor* type) {
  if (type->name() == "NetParameter") return "a net";
  if (type->name() == "SolverParameter") return "a solver";
  return "a " + type->name();
}

// Returns the value of `name: "..."` in the group whose brace is at the given place, or, for the
// oldest format, in the group `layer` within it; "" where there is none. The file may be wrong:
// nothing but braces is looked at on the way.
std::string NameOfGroup(const std::string& text, int line, int column) {
  TextTokens tokens(text);
  const auto& token = tokens.current();
  const auto is_before = [&] {
    return token.line < line || (token.line == line && token.column < column);
  };
  do tokens.Next();
  while (token.type != Tokenizer::TYPE_END && is_before());
  int depth = 0, inner_layer = 0;
  std::string last_word, name;
  for (; token.type != Tokenizer::TYPE_END; tokens.Next()) {
    if (token.text == "{" || token.text == "<") {
      if (++depth == 2) inner_layer = last_word == "layer";
    }
    if (token.text == "}" || token.text == ">") {
      if (--depth == 0) break;
    }
    const bool is_own = depth == 1 || (depth == 2 && inner_layer);
    if (token.type == Tokenizer::TYPE_STRING && last_word == "name" && is_own) {
      Tokenizer::ParseString(token.text, &name);
      break;
    }
    if (token.type == Tokenizer::TYPE_IDENTIFIER) last_word = token.text;
  }
  return name;
}

}  // namespace

bool IsLayer(const Descriptor* type) {
  return type->name() == "LayerParameter" || type->name() == "V1LayerParameter";
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

std::string Shortened(const std::string& text) {
  constexpr size_t kLongest = 60;
  std::string line = text.substr(0, text.find('\n'));
  if (line.size() > kLongest) line.resize(kLongest);
  return line.size() < text.size() ? line + "..." : line;
}

OpenGroups::OpenGroups(const std::string& text, const Descriptor* type) : text_(text) {
  groups_.push_back({"", type, 0, 0, {}});
}

size_t OpenGroups::LayerGroup() const {
  for (size_t i = groups_.size(); i-- > 1;) {
    if (IsLayer(groups_[i].type)) return i;
  }
  return 0;
}

std::string OpenGroups::NameOf(size_t layer) const {
  return NameOfGroup(text_, groups_[layer].line, groups_[layer].column);
}

std::string OpenGroups::LayerName() const {
  const size_t layer = LayerGroup();
  return layer == 0 ? "" : NameOf(layer);
}

std::string OpenGroups::LayerWords(size_t layer) const {
  const std::string name = NameOf(layer);
  if (!name.empty()) return "layer " + Quoted(Shortened(name));
  return Concat("the layer that starts on line ", groups_[layer].line + 1);
}

std::string OpenGroups::FieldPath(size_t from) const {
  std::string path;
  for (size_t i = from + 1; i < groups_.size(); ++i) {
    path += (path.empty() ? "" : ".") + groups_[i].field;
  }
  return path;
}

std::string OpenGroups::Subject() const {
  const size_t layer = LayerGroup();
  const std::string path = FieldPath(layer);
  if (layer == 0) return path.empty() ? KindOf(groups_[0].type) : path;
  return LayerWords(layer) + (path.empty() ? "" : ": " + path);
}

std::string OpenGroups::Path() const {
  const size_t layer = LayerGroup();
  const std::string path = FieldPath(layer);
  if (layer == 0) return path;
  return LayerWords(layer) + (path.empty() ? "" : ", " + path);
}

std::string OpenGroups::Where() const {
  const size_t layer = LayerGroup();
  const std::string path = FieldPath(layer);
  const std::string within = path.empty() ? "" : "in " + path + ", ";
  return layer == 0 ? within : LayerWords(layer) + ": " + within;
}

}  // namespace crema
