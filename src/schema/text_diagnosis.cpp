#include "schema/text_diagnosis.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "crema/error.h"
#include "schema/extensions.h"
#include "schema/fork_hints.h"
#include "schema/open_groups.h"
#include "schema/text_cursor.h"

namespace crema {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

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

// What to write instead of a word that is meant as true or false; a clause, or "".
std::string BoolHint(const std::string& text) {
  const auto is_one_of = [&](const std::vector<std::string>& words) {
    return std::find(words.begin(), words.end(), text) != words.end();
  };
  if (is_one_of({"TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})) return "; write true";
  if (is_one_of({"FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})) return "; write false";
  return "";
}

// The groups of a layer's options that have the field, such as "convolution_param { ... }"; "" if
// there are none.
std::string GroupsWith(const Descriptor* type, const std::string& word) {
  if (type->name() != "LayerParameter") return "";
  std::vector<std::string> groups;
  for (const FieldDescriptor* group : FieldsOf(type)) {
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

// The nearest field, or what else the name of a layer's options may mean.
std::string NearestHint(const Descriptor* type, const std::string& word) {
  const std::string nearest = Nearest(word, FieldNames(type));
  const std::string end = "_param";
  const bool may_be_of_plugin = type->extension_range_count() > 0 && word.size() > end.size() &&
                                word.compare(word.size() - end.size(), end.size(), end) == 0;
  if (may_be_of_plugin && nearest.empty()) return "; is a plug-in missing (--plugins)?";
  if (nearest.empty()) return "";
  const std::string other = may_be_of_plugin ? ", or is a plug-in missing (--plugins)" : "";
  return "; did you mean " + Quoted(nearest) + other + "?";
}

// Nets and solvers are often given in each other's place: a hint if `word`, which the file's type
// lacks, is a field of the other one.
std::string OtherFileKind(const Descriptor* type, const std::string& word) {
  const auto is_field_of = [&](const char* other) {
    const Descriptor* descriptor = type->file()->FindMessageTypeByName(other);
    return descriptor != nullptr && descriptor->FindFieldByName(word) != nullptr;
  };
  if (type->name() == "NetParameter" && is_field_of("SolverParameter")) {
    return "this looks like a solver file, but a net is expected";
  }
  if (type->name() == "SolverParameter" && is_field_of("NetParameter")) {
    return "this looks like a net, but a solver file is expected";
  }
  return "";
}

// Reads the whole text as the message that it should be. The first mistake ends that with an Error.
class Walk : private TextCursor {
 public:
  using TextCursor::TextCursor;

  CleanedText Run() {
    while (!At(Tokenizer::TYPE_END)) Field();
    std::vector<std::string> notes = left_out_.Notes();
    const bool differs = names_extension_ || !notes.empty();
    return {KeptText(), std::move(notes), differs};
  }

 private:
  void Field() {
    if (groups().depth() == 0 && (At("}") || At(">"))) {
      Mistake(Token().line, "unexpected ", Quoted(Token().text), ": no group is open here");
    }
    const bool brackets = At("[") && Top().type->extension_range_count() > 0;
    if (!brackets && !At(Tokenizer::TYPE_IDENTIFIER)) {
      const std::string comma = DecimalCommaHere();
      if (!comma.empty()) Mistake(Token().line, Where(), comma);
      Mistake(Token().line, Where(), "expected the name of a field, found ", Found(),
              ClosingHint());
    }
    const int line = Token().line;
    const Kept before = kept();
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
      LeaveOut(before, line, field->name(),
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
      Mistake(line, groups().Subject(), " has no field ", Quoted("[" + Shortened(name) + "]"),
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
    if (groups().depth() >= static_cast<size_t>(kTextRecursionLimit)) {
      Mistake(Token().line, "groups are nested more than ", kTextRecursionLimit, " deep");
    }
    groups().Open({field->name(), field->message_type(), Token().line, Token().column, {}});
    Next();
    while (!At(closing)) {
      if (At(Tokenizer::TYPE_END)) UnclosedGroup();
      Field();
    }
    groups().Close();
    Next();
  }

  [[noreturn]] void UnclosedGroup() {
    // The innermost group that is open need not be the one that lacks its brace, but it is the
    // only one that can be named.
    Mistake(Token().line, "the file ends inside ", groups().Path(), ", which starts on line ",
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

  void Enum(const FieldDescriptor* field) {
    const auto* type = field->enum_type();
    const std::vector<std::string> names = ValueNames(type);
    if (At(Tokenizer::TYPE_IDENTIFIER) && type->FindValueByName(Token().text) == nullptr) {
      const std::string nearest = Nearest(Token().text, names);
      WrongValue(field, "one of " + Join(names),
                 nearest.empty() ? "" : "; did you mean " + nearest + "?");
    }
    const bool is_number = At("-") || At(Tokenizer::TYPE_INTEGER);
    if (is_number) return EnumNumber(field, names);
    if (!At(Tokenizer::TYPE_IDENTIFIER)) {
      const bool is_type = At(Tokenizer::TYPE_STRING) && IsLayer(Top().type);
      WrongValue(field, is_type ? "a word such as CONVOLUTION" : "one of " + Join(names),
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
    if (!known) WrongValue(field, "one of " + Join(names), "");
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
      const Kept before = kept();
      Next();
      TryConsume(":");
      if (AtValue() && ChangesNothing(*fork, Token().text)) {
        const std::string advice = fork->advice[0] == '\0' ? "" : Concat(": ", fork->advice);
        return LeaveOut(before, line, word, Concat("it comes from ", fork->fork, advice));
      }
    }
    Mistake(line, groups().Subject(), " has no field ", Quoted(Shortened(word)), HintFor(word));
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
    Forget(since);
    left_out_.Add(line, field, why);
  }

  std::string HintFor(const std::string& word) {
    const Descriptor* type = Top().type;
    const bool in_group = groups().depth() > 0;
    if (in_group && (word == "layer" || word == "layers")) {
      return "; a \"}\" is probably missing before it";
    }
    const ForkField* fork = FindForkField(type->name(), word);
    if (fork != nullptr) return " (" + Refusal(*fork) + ")";
    const std::string advice = AdviceForField(type->name(), word);
    if (!advice.empty()) return "; " + advice;
    const std::string other = in_group ? "" : OtherFileKind(type, word);
    if (!other.empty()) return "; " + other;
    const std::string options = GroupsWith(type, word);
    if (!options.empty()) return "; it belongs in " + options;
    return NearestHint(type, word);
  }

  bool names_extension_ = false;  // that was written without its package and brackets
  LeftOut left_out_;
};

}  // namespace

CleanedText DiagnoseText(const std::string& text, const std::string& name, const Descriptor* type) {
  return Walk(text, name, type).Run();
}

}  // namespace crema
