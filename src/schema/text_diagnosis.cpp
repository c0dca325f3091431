#include "schema/text_diagnosis.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "crema/base/error.h"
#include "schema/extensions.h"
#include "schema/fork_hints.h"
#include "schema/lexical_mistakes.h"

namespace crema {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::io::Tokenizer;

// What the file's author calls the thing that a message describes.
std::string KindOf(const Descriptor* type) {
  if (type->name() == "NetParameter") return "a net";
  if (type->name() == "SolverParameter") return "a solver";
  return "a " + type->name();
}

bool IsLayer(const Descriptor* type) {
  return type->name() == "LayerParameter" || type->name() == "V1LayerParameter";
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

// Keeps a sentence readable when the file is not.
std::string Shortened(const std::string& text) {
  constexpr size_t kLongest = 60;
  std::string line = text.substr(0, text.find('\n'));
  if (line.size() > kLongest) line.resize(kLongest);
  return line.size() < text.size() ? line + "..." : line;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

// With those of plug-ins.
std::vector<const FieldDescriptor*> FieldsOf(const Descriptor* type) {
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < type->field_count(); ++i) fields.push_back(type->field(i));
  const std::vector<const FieldDescriptor*> extensions = ExtensionsOf(type);
  fields.insert(fields.end(), extensions.begin(), extensions.end());
  return fields;
}

std::vector<std::string> FieldNames(const Descriptor* type) {
  std::vector<std::string> names;
  for (const FieldDescriptor* field : FieldsOf(type)) names.push_back(field->name());
  return names;
}

std::vector<std::string> ValueNames(const google::protobuf::EnumDescriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->value_count(); ++i) names.push_back(type->value(i)->name());
  return names;
}

// Remembers the first mistake that the tokenizer itself finds, such as a stray control character.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string&) override {
    if (found) return;
    found = true;
    this->line = line;
    this->column = column;
  }
  bool found = false;
  int line = 0, column = 0;
};

void SetTextFormat(Tokenizer* tokens) {
  tokens->set_allow_f_after_float(true);
  tokens->set_comment_style(Tokenizer::SH_COMMENT_STYLE);
}

// Returns the value of `name: "..."` in the group whose brace is at the given place, or, for the
// oldest format, in the group `layer` within it; "" where there is none. The file may be wrong:
// nothing but braces is looked at on the way.
std::string NameOfGroup(const std::string& text, int line, int column) {
  FirstError errors;
  google::protobuf::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  Tokenizer tokens(&input, &errors);
  SetTextFormat(&tokens);
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

// The fields that were left out, each named once.
class LeftOut {
 public:
  void Add(int line, const std::string& field, const std::string& why) {
    Entry& entry = fields_[field + " " + why];
    if (entry.count == 0) entry = {line, 0, field, why};
    ++entry.count;
  }
  std::vector<std::string> Notes() const {
    std::vector<std::string> notes;
    for (const auto& [key, f] : fields_) {
      const std::string more = f.count > 1 ? Concat(" and ", f.count - 1, " more") : "";
      notes.push_back(
          Concat("\"", f.field, "\" (line ", f.line + 1, more, ") was ignored; ", f.why));
    }
    return notes;
  }

 private:
  struct Entry {
    int line = 0, count = 0;
    std::string field, why;
  };
  std::map<std::string, Entry> fields_;
};

class Walk {
 public:
  Walk(const std::string& text, const std::string& name)
      : text_(text),
        name_(name),
        input_(text.data(), static_cast<int>(text.size())),
        tokens_(&input_, &errors_) {
    SetTextFormat(&tokens_);
  }

  CleanedText Run(const Descriptor* type) {
    scopes_.push_back({"", type, 0, 0, {}});
    Next();
    while (!At(Tokenizer::TYPE_END)) Field();
    std::vector<std::string> notes = left_out_.Notes();
    const bool differs = names_extension_ || !notes.empty();
    return {std::move(kept_), std::move(notes), differs};
  }

 private:
  // A group that is open at the current token.
  struct Scope {
    std::string field;
    const Descriptor* type;
    int line;  // where it opens; counted from 0, as the column is
    int column;
    std::set<const FieldDescriptor*> seen;
  };

  // How much of the text was kept.
  struct Kept {
    size_t bytes;
    int line;
  };

  const Tokenizer::Token& Token() { return tokens_.current(); }
  bool At(Tokenizer::TokenType type) { return Token().type == type; }
  bool At(const char* symbol) { return Token().text == symbol; }
  Scope& Top() { return scopes_.back(); }
  std::string Found() {
    return At(Tokenizer::TYPE_END) ? "the end of the file" : Shortened(Token().text);
  }

  void Next() { NextKeeping(Token().text); }

  // Keeps another text in place of the current token's.
  void NextKeeping(const std::string& text) {
    before_ = Token().text;
    Keep(text);
    tokens_.Next();
    if (errors_.found) TokenizerMistake();
  }

  void Keep(const std::string& text) {
    if (At(Tokenizer::TYPE_START)) return;
    for (; kept_line_ < Token().line; ++kept_line_) kept_ += '\n';
    kept_ += text + " ";
  }

  bool TryConsume(const char* symbol) {
    if (!At(symbol)) return false;
    Next();
    return true;
  }

  // What is odd before the token was passed over; what is odd in it is told by its beginning.
  [[noreturn]] void TokenizerMistake() {
    const size_t odd = OffsetOf(text_, errors_.line, errors_.column);
    const size_t token = OffsetOf(text_, Token().line, Token().column);
    const LexicalMistake mistake = FindLexicalMistake(text_, std::min(odd, token));
    const TextPlace place = PlaceOf(text_, mistake.at);
    Fail(InFile(name_, place.line), ":", place.column, ": ", Where(), mistake.sentence);
  }

  std::string SymbolHint() {
    const size_t token = OffsetOf(text_, Token().line, Token().column);
    const size_t behind = token + Token().text.size();
    return HintForSymbol(Token().text, before_, behind < text_.size() ? text_[behind] : '\0');
  }

  template <class... Parts>
  [[noreturn]] void Mistake(int line, const Parts&... parts) {
    ErrorPlace place = InFile(name_, line + 1).place();
    if (LayerScope() > 0) place.layer = LayerName(LayerScope());
    throw Error(Concat(InFile(name_, place.line), ": ", parts...), std::move(place));
  }

  void Field() {
    if (scopes_.size() == 1 && (At("}") || At(">"))) {
      Mistake(Token().line, "unexpected ", Quoted(Token().text), ": no group is open here");
    }
    const bool brackets = At("[") && Top().type->extension_range_count() > 0;
    if (!brackets && !At(Tokenizer::TYPE_IDENTIFIER)) {
      const std::string comma = DecimalComma(text_, OffsetOf(text_, Token().line, Token().column));
      if (!comma.empty()) Mistake(Token().line, Where(), comma);
      Mistake(Token().line, Where(), "expected the name of a field, found ", Found(),
              ClosingHint());
    }
    const int line = Token().line;
    const Kept kept = {kept_.size(), kept_line_};
    const FieldDescriptor* field = brackets ? NameInBrackets() : Name();
    if (field == nullptr) return UnknownField();
    if (!field->is_repeated() && !Top().seen.insert(field).second) {
      Mistake(line, Where(), Quoted(field->name()),
              " is given twice, but only one value is allowed");
    }
    const bool is_group = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!TryConsume(":") && !is_group) {
      Mistake(Token().line, Where(), "expected a \":\" and a value after ", Quoted(field->name()),
              ", found ", Found(), SymbolHint());
    }
    if (field->name() == "engine" && IsEngineOfFork(Token().text)) {
      LeaveOut(kept, line, field->name(),
               "an engine of another Caffe means the default engine here");
      return;
    }
    if (field->is_repeated() && TryConsume("[")) {
      List(field);
    } else {
      Value(field);
    }
    if (!TryConsume(";")) TryConsume(",");
  }

  // The field that the current token names, which is then passed over; null if there is none.
  const FieldDescriptor* Name() {
    const FieldDescriptor* field = Top().type->FindFieldByName(Token().text);
    if (field != nullptr) {
      Next();
      return field;
    }
    field = FindExtension(Top().type, Token().text);
    if (field == nullptr) return nullptr;
    names_extension_ = true;
    NextKeeping("[" + field->full_name() + "]");
    return field;
  }

  // The same for the name of a plug-in's field as protobuf writes it: [package.name].
  const FieldDescriptor* NameInBrackets() {
    const int line = Token().line;
    std::string name;
    for (Next(); At(Tokenizer::TYPE_IDENTIFIER) || At("."); Next()) name += Token().text;
    if (!At("]")) {
      Mistake(Token().line, Where(), "expected a \"]\" after ", Quoted("[" + name), ", found ",
              Found(), SymbolHint());
    }
    const FieldDescriptor* field = FindExtension(Top().type, name);
    if (field == nullptr || field->full_name() != name) {
      std::vector<std::string> names;
      for (const FieldDescriptor* known : ExtensionsOf(Top().type)) {
        names.push_back(known->full_name());
      }
      const std::string nearest = Nearest(name, names);
      Mistake(line, Subject(), " has no field ", Quoted("[" + Shortened(name) + "]"),
              nearest.empty() ? "; load the plug-in that has it"
                              : "; did you mean " + Quoted("[" + nearest + "]") + "?");
    }
    Next();
    return field;
  }

  // What belongs where another bracket, or something else, closes a group.
  std::string ClosingHint() {
    const bool other = At(">") || At("}");
    if (!other) return SymbolHint();
    return Concat("; the group that starts on line ", Top().line + 1, " must be closed by ",
                  At(">") ? "}" : ">");
  }

  void List(const FieldDescriptor* field) {
    if (TryConsume("]")) return;
    while (true) {
      Value(field);
      if (TryConsume("]")) return;
      if (!TryConsume(",")) {
        Mistake(Token().line, Where(), "expected \",\" or \"]\" in the list ",
                Quoted(field->name()), ", found ", Found(), SymbolHint());
      }
    }
  }

  void Value(const FieldDescriptor* field) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: return Group(field);
      case FieldDescriptor::CPPTYPE_STRING: return String(field);
      case FieldDescriptor::CPPTYPE_BOOL: return Bool(field);
      case FieldDescriptor::CPPTYPE_ENUM: return Enum(field);
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE: return Real(field);
      case FieldDescriptor::CPPTYPE_INT32:
        return Integer(field, std::numeric_limits<int32_t>::min(),
                       std::numeric_limits<int32_t>::max());
      case FieldDescriptor::CPPTYPE_INT64:
        return Integer(field, std::numeric_limits<int64_t>::min(),
                       std::numeric_limits<int64_t>::max());
      case FieldDescriptor::CPPTYPE_UINT32:
        return Integer(field, 0, std::numeric_limits<uint32_t>::max());
      case FieldDescriptor::CPPTYPE_UINT64:
        return Integer(field, 0, std::numeric_limits<uint64_t>::max());
    }
  }

  void Group(const FieldDescriptor* field) {
    const char* closing = At("<") ? ">" : "}";
    if (!At("<") && !At("{")) {
      Mistake(Token().line, Where(), Quoted(field->name()), " is a group: expected ",
              Quoted(field->name() + " { ... }"), ", found ", Found(), SymbolHint());
    }
    if (scopes_.size() > static_cast<size_t>(kTextRecursionLimit)) {
      Mistake(Token().line, "groups are nested more than ", kTextRecursionLimit, " deep");
    }
    scopes_.push_back({field->name(), field->message_type(), Token().line, Token().column, {}});
    Next();
    while (!At(closing)) {
      if (At(Tokenizer::TYPE_END)) UnclosedGroup();
      Field();
    }
    scopes_.pop_back();
    Next();
  }

  [[noreturn]] void UnclosedGroup() {
    // The innermost group that is open need not be the one that lacks its brace, but it is the
    // only one that can be named.
    Mistake(Token().line, "the file ends inside ", Path(), ", which starts on line ",
            Top().line + 1, "; a \"}\" is missing");
  }

  void String(const FieldDescriptor* field) {
    if (!At(Tokenizer::TYPE_STRING)) {
      std::string hint;
      if (At(Tokenizer::TYPE_IDENTIFIER)) hint = "; write " + Quoted(Token().text);
      if (At(Tokenizer::TYPE_IDENTIFIER) && Top().type->name() == "LayerParameter" &&
          field->name() == "type") {
        hint = "; write its type as in type: \"Convolution\", or \"layers\" for \"layer\"";
      }
      WrongValue(field, "a string in quotes", hint);
    }
    while (At(Tokenizer::TYPE_STRING)) Next();
  }

  void Bool(const FieldDescriptor* field) {
    static const char* const kWords[] = {"true", "True", "t", "1", "false", "False", "f", "0"};
    const std::string& text = Token().text;
    const auto matches = [&](const char* word) { return text == word; };
    if (!std::any_of(std::begin(kWords), std::end(kWords), matches)) {
      WrongValue(field, "true or false", BoolHint(text));
    }
    Next();
  }

  static std::string BoolHint(const std::string& text) {
    const auto is_one_of = [&](const std::vector<std::string>& words) {
      return std::find(words.begin(), words.end(), text) != words.end();
    };
    if (is_one_of({"TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})) return "; write true";
    if (is_one_of({"FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"}))
      return "; write false";
    return "";
  }

  void Enum(const FieldDescriptor* field) {
    const auto* type = field->enum_type();
    const std::vector<std::string> names = ValueNames(type);
    if (At(Tokenizer::TYPE_IDENTIFIER) && type->FindValueByName(Token().text) == nullptr) {
      const std::string nearest = Nearest(Token().text, names);
      WrongValue(field, "one of " + Joined(names),
                 nearest.empty() ? "" : "; did you mean " + nearest + "?");
    }
    const bool is_number = At("-") || At(Tokenizer::TYPE_INTEGER);
    if (is_number) return EnumNumber(field, names);
    if (!At(Tokenizer::TYPE_IDENTIFIER)) {
      const bool is_type = At(Tokenizer::TYPE_STRING) && IsLayer(Top().type);
      WrongValue(field, is_type ? "a word such as CONVOLUTION" : "one of " + Joined(names),
                 is_type ? "; a type in quotes belongs to \"layer\", not to \"layers\"" : "");
    }
    Next();
  }

  void EnumNumber(const FieldDescriptor* field, const std::vector<std::string>& names) {
    const bool negative = TryConsume("-");
    uint64_t number = 0;
    const bool in_range =
        At(Tokenizer::TYPE_INTEGER) && Tokenizer::ParseInteger(Token().text, 1u << 31, &number);
    const int64_t value = negative ? -static_cast<int64_t>(number) : static_cast<int64_t>(number);
    const bool known = in_range && value <= std::numeric_limits<int32_t>::max() &&
                       field->enum_type()->FindValueByNumber(static_cast<int>(value));
    if (!known) WrongValue(field, "one of " + Joined(names), "");
    Next();
  }

  void Real(const FieldDescriptor* field) {
    const std::string sign = TryConsume("-") ? "-" : "";
    // A whole number that begins with 0 would be octal or hexadecimal.
    const bool is_decimal = Token().text[0] != '0' || Token().text.size() == 1;
    const bool is_number = At(Tokenizer::TYPE_FLOAT) || (At(Tokenizer::TYPE_INTEGER) && is_decimal);
    std::string word = Token().text;
    for (char& c : word) c = static_cast<char>(c | 0x20);
    const bool is_word =
        At(Tokenizer::TYPE_IDENTIFIER) && (word == "inf" || word == "infinity" || word == "nan" ||
                                           word == "inff" || word == "infinityf" || word == "nanf");
    if (!is_number && !is_word) {
      const bool octal = At(Tokenizer::TYPE_INTEGER);
      WrongValue(field, "a decimal number", octal ? "; remove the leading 0" : SymbolHint(),
                 sign + Found());
    }
    Next();
  }

  void Integer(const FieldDescriptor* field, int64_t min, uint64_t max) {
    const std::string expected = Concat("an integer from ", min, " to ", max);
    const std::string sign = TryConsume("-") ? "-" : "";
    const std::string found = sign + Found();
    if (!At(Tokenizer::TYPE_INTEGER)) WrongValue(field, expected, IntegerHint(), found);
    uint64_t number = 0;
    const bool below = !sign.empty() && min == 0;
    const uint64_t most = max + (sign.empty() ? 0 : 1);  // the lowest is -max - 1
    if (below || !Tokenizer::ParseInteger(Token().text, most, &number)) {
      WrongValue(field, expected, "", found);
    }
    Next();
  }

  std::string IntegerHint() {
    if (!At(Tokenizer::TYPE_FLOAT)) return SymbolHint();
    const double value = Tokenizer::ParseFloat(Token().text);
    const bool whole = value == std::floor(value) && value < 1e15;
    return whole ? Concat("; write ", static_cast<int64_t>(value)) : "";
  }

  [[noreturn]] void WrongValue(const FieldDescriptor* field, const std::string& expected,
                               const std::string& hint, const std::string& found) {
    Mistake(Token().line, Where(), Quoted(field->name()), " takes ", expected, ", found ", found,
            hint);
  }

  [[noreturn]] void WrongValue(const FieldDescriptor* field, const std::string& expected,
                               const std::string& hint) {
    const std::string found = At("-") ? "a minus sign" : Found();
    WrongValue(field, expected, hint.empty() ? SymbolHint() : hint, found);
  }

  // Returns if the field is a fork's and changes nothing.
  void UnknownField() {
    const std::string word = Token().text;
    const int line = Token().line;
    const ForkField* fork = FindForkField(Top().type->name(), word);
    if (fork != nullptr) {
      const Kept kept = {kept_.size(), kept_line_};
      Next();
      TryConsume(":");
      if (AtValue() && ChangesNothing(*fork, Token().text)) {
        const std::string advice = fork->advice[0] == '\0' ? "" : Concat(": ", fork->advice);
        return LeaveOut(kept, line, word, Concat("it comes from ", fork->fork, advice));
      }
    }
    Mistake(line, Subject(), " has no field ", Quoted(Shortened(word)), HintFor(word));
  }

  bool AtValue() {
    const bool is_word = !At(Tokenizer::TYPE_SYMBOL) && !At(Tokenizer::TYPE_END);
    return is_word || At("-") || At("{") || At("<") || At("[");
  }

  // Passes over the value at the current token, and forgets all that was kept since then.
  void LeaveOut(const Kept& since, int line, const std::string& field, const std::string& why) {
    int open = 0;
    do {
      if (At(Tokenizer::TYPE_END)) {
        Mistake(Token().line, "the file ends inside ", Quoted(field), ", which starts on line ",
                line + 1, "; a closing bracket is missing");
      }
      if (At("{") || At("<") || At("[")) ++open;
      if (At("}") || At(">") || At("]")) --open;
      TryConsume("-");
      const bool text = At(Tokenizer::TYPE_STRING);
      Next();
      while (text && At(Tokenizer::TYPE_STRING)) Next();
    } while (open > 0);
    if (!TryConsume(";")) TryConsume(",");
    kept_.resize(since.bytes);
    kept_line_ = since.line;
    left_out_.Add(line, field, why);
  }

  std::string HintFor(const std::string& word) {
    const Descriptor* type = Top().type;
    if (scopes_.size() > 1 && (word == "layer" || word == "layers")) {
      return "; a \"}\" is probably missing before it";
    }
    const ForkField* fork = FindForkField(type->name(), word);
    if (fork != nullptr) return " (" + Refusal(*fork) + ")";
    const std::string advice = AdviceForField(type->name(), word);
    if (!advice.empty()) return "; " + advice;
    const std::string other = OtherFileKind(word);
    if (!other.empty()) return "; " + other;
    const std::string groups = GroupsWith(word);
    if (!groups.empty()) return "; it belongs in " + groups;
    const std::string nearest = Nearest(word, FieldNames(type));
    return nearest.empty() ? "" : "; did you mean " + Quoted(nearest) + "?";
  }

  // The groups of a layer's options that have the field, such as "convolution_param { ... }"; "" if
  // there are none.
  std::string GroupsWith(const std::string& word) {
    if (Top().type->name() != "LayerParameter") return "";
    std::vector<std::string> groups;
    for (const FieldDescriptor* group : FieldsOf(Top().type)) {
      if (group->message_type() == nullptr || group->name() == "blobs") continue;
      if (group->message_type()->FindFieldByName(word) == nullptr) continue;
      groups.push_back(group->name() + " { ... }");
    }
    constexpr size_t kMost = 3;
    const std::string more = groups.size() > kMost ? " or the like" : "";
    groups.resize(std::min(groups.size(), kMost));
    std::string text;
    for (const std::string& group : groups) text += (text.empty() ? "" : ", ") + group;
    return text + more;
  }

  // Nets and solvers are often given in each other's place.
  std::string OtherFileKind(const std::string& word) {
    const auto* file = Top().type->file();
    const auto is_field_of = [&](const char* type) {
      const Descriptor* descriptor = file->FindMessageTypeByName(type);
      return descriptor != nullptr && descriptor->FindFieldByName(word) != nullptr;
    };
    if (scopes_.size() > 1) return "";
    if (Top().type->name() == "NetParameter" && is_field_of("SolverParameter")) {
      return "this looks like a solver file, but a net is expected";
    }
    if (Top().type->name() == "SolverParameter" && is_field_of("NetParameter")) {
      return "this looks like a net, but a solver file is expected";
    }
    return "";
  }

  // The layer's place in scopes_, or 0 where the current token is in none.
  size_t LayerScope() {
    for (size_t i = scopes_.size(); i-- > 1;) {
      if (IsLayer(scopes_[i].type)) return i;
    }
    return 0;
  }

  // "" where it has none.
  std::string LayerName(size_t layer) {
    return NameOfGroup(text_, scopes_[layer].line, scopes_[layer].column);
  }

  std::string LayerWords(size_t layer) {
    const std::string name = LayerName(layer);
    if (!name.empty()) return "layer " + Quoted(Shortened(name));
    return Concat("the layer that starts on line ", scopes_[layer].line + 1);
  }

  // `convolution_param.weight_filler`, from below the given scope on.
  std::string FieldPath(size_t from) {
    std::string path;
    for (size_t i = from + 1; i < scopes_.size(); ++i) {
      path += (path.empty() ? "" : ".") + scopes_[i].field;
    }
    return path;
  }

  // What has, or has not, a field: `a net`, `layer "conv1"`, `layer "conv1": pooling_param`.
  std::string Subject() {
    const size_t layer = LayerScope();
    const std::string path = FieldPath(layer);
    if (layer == 0) return path.empty() ? KindOf(Top().type) : path;
    return LayerWords(layer) + (path.empty() ? "" : ": " + path);
  }

  // `layer "conv1", convolution_param`
  std::string Path() {
    const size_t layer = LayerScope();
    const std::string path = FieldPath(layer);
    if (layer == 0) return path;
    return LayerWords(layer) + (path.empty() ? "" : ", " + path);
  }

  // The beginning of a sentence about the current group: `layer "conv1": in convolution_param, `.
  std::string Where() {
    const size_t layer = LayerScope();
    const std::string path = FieldPath(layer);
    const std::string within = path.empty() ? "" : "in " + path + ", ";
    return layer == 0 ? within : LayerWords(layer) + ": " + within;
  }

  const std::string& text_;
  const std::string& name_;
  FirstError errors_;
  google::protobuf::io::ArrayInputStream input_;
  Tokenizer tokens_;
  std::vector<Scope> scopes_;
  std::string before_;            // the text of the token before the current one
  std::string kept_;              // the tokens before the current one, each in its line
  int kept_line_ = 0;             // where kept_ ends
  bool names_extension_ = false;  // that was written without its package and brackets
  LeftOut left_out_;
};

}  // namespace

CleanedText DiagnoseText(const std::string& text, const std::string& name, const Descriptor* type) {
  return Walk(text, name).Run(type);
}

}  // namespace crema
