#include "schema/text_cursor.h"

#include <algorithm>

#include "schema/lexical_mistakes.h"

namespace crema {

TextCursor::TextCursor(const std::string& text, const std::string& name,
                       const google::protobuf::Descriptor* type)
    : text_(text), name_(name), tokens_(text), groups_(text, type) {
  Next();
}

std::string TextCursor::Found() const {
  return At(Tokenizer::TYPE_END) ? "the end of the file" : Shortened(Token().text);
}

std::string TextCursor::SymbolHint() const {
  const size_t token = OffsetOf(text_, Token().line, Token().column);
  const size_t behind = token + Token().text.size();
  return HintForSymbol(Token().text, before_, behind < text_.size() ? text_[behind] : '\0');
}

std::string TextCursor::DecimalCommaHere() const {
  return DecimalComma(text_, OffsetOf(text_, Token().line, Token().column));
}

bool TextCursor::AtValue() const {
  const bool is_word = !At(Tokenizer::TYPE_SYMBOL) && !At(Tokenizer::TYPE_END);
  return is_word || At("-") || At("{") || At("<") || At("[");
}

// `text` is not read any more once the token has changed, of which it may be a part.
void TextCursor::NextKeeping(const std::string& text) {
  before_ = Token().text;
  Keep(text);
  tokens_.Next();
  if (tokens_.has_error()) FailForToken();
}

void TextCursor::Keep(const std::string& text) {
  if (At(Tokenizer::TYPE_START)) return;
  for (; kept_line_ < Token().line; ++kept_line_) kept_ += '\n';
  kept_ += text + " ";
}

bool TextCursor::TryConsume(const char* symbol) {
  if (!At(symbol)) return false;
  Next();
  return true;
}

// What is odd before the token was passed over; what is odd in it is told by its beginning.
void TextCursor::FailForToken() const {
  const size_t odd = OffsetOf(text_, tokens_.error_line(), tokens_.error_column());
  const size_t token = OffsetOf(text_, Token().line, Token().column);
  const LexicalMistake mistake = FindLexicalMistake(text_, std::min(odd, token));
  const TextPlace place = PlaceOf(text_, mistake.at);
  Fail(InFile(name_, place.line), ":", place.column, ": ", Where(), mistake.sentence);
}

void TextCursor::Forget(const Kept& since) {
  kept_.resize(since.bytes);
  kept_line_ = since.line;
}

}  // namespace crema
