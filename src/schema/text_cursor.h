// Goes through a protobuf text token by token, and says where it is when something is wrong there.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "crema/error.h"
#include "schema/open_groups.h"
#include "schema/text_tokens.h"

namespace crema {

// Keeps what it has passed, so that parts of it may be left out.
class TextCursor {
 public:
  using Tokenizer = TextTokens::Tokenizer;

  // How much of the text was kept.
  struct Kept {
    size_t bytes;
    int line;
  };

  // `text` is read as a message of that type, and `name` is what errors call it. Both must live as
  // long. Goes to the first token.
  TextCursor(const std::string& text, const std::string& name,
             const google::protobuf::Descriptor* type);

  // The current token, whose line counts from 0.
  const Tokenizer::Token& Token() const { return tokens_.current(); }
  // Whether it is of that type.
  bool At(Tokenizer::TokenType type) const { return Token().type == type; }
  // Whether it is this very text.
  bool At(const char* symbol) const { return Token().text == symbol; }
  // What it is, for the end of a sentence.
  std::string Found() const;
  // What to write instead of it if it is a symbol; "" or a clause that begins with "; ".
  std::string SymbolHint() const;
  // A sentence about a number that another one and a comma stand in front of, as in 0,01; or "".
  std::string DecimalCommaHere() const;

  // Whether it may begin the value of a field.
  bool AtValue() const;

  // On to the next token. Throws Error if that is wrong in itself.
  void Next() { NextKeeping(Token().text); }
  // The same, but keeps another text in place of the current token's.
  void NextKeeping(const std::string& text);
  // The same, and true, if the current one is `symbol`.
  bool TryConsume(const char* symbol);

  // The groups that are open here. Whoever passes a brace opens or closes them.
  OpenGroups& groups() { return groups_; }
  // The innermost of them.
  OpenGroups::Group& Top() { return groups_.Top(); }
  // See OpenGroups.
  std::string Where() const { return groups_.Where(); }

  // Throws Error: the text's name, the line, which counts from 0, and the parts. It has the layer
  // that is open as a field.
  template <class... Parts>
  [[noreturn]] void Mistake(int line, const Parts&... parts) const {
    ErrorPlace place = InFile(name_, line + 1).place();
    place.layer = groups_.LayerName();
    throw Error(Concat(InFile(name_, place.line), ": ", parts...), std::move(place));
  }

  // What was passed until now, without the current token.
  Kept kept() const { return {kept_.size(), kept_line_}; }
  // Leaves out what was passed since then.
  void Forget(const Kept& since);
  // All tokens that were passed and not left out, each in its line.
  const std::string& KeptText() const { return kept_; }

 private:
  void Keep(const std::string& text);
  [[noreturn]] void FailForToken() const;

  const std::string& text_;
  const std::string& name_;
  TextTokens tokens_;
  OpenGroups groups_;
  std::string before_;  // the text of the token before the current one
  std::string kept_;    // the texts in place of those before the current one, each in its line
  int kept_line_ = 0;   // where kept_ ends
};

}  // namespace crema
