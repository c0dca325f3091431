// Mistakes below the level of fields: quotes, backslashes, numbers, letters that do not belong
// there.
#pragma once

#include <cstddef>
#include <string>

namespace crema {

struct LexicalMistake {
  size_t at;  // the byte of the text
  std::string sentence;
};

// What is wrong with the string, number or letter that begins at `from`.
LexicalMistake FindLexicalMistake(const std::string& text, size_t from);

// For a number that stands directly behind a number and a comma, outside a list, as in 0,01: a
// sentence about the comma. Otherwise "".
std::string DecimalComma(const std::string& text, size_t at);

// What to write in place of a symbol that stands where a field or its value should; "" or a clause
// that begins with "; ". `before` is what stands before it and `behind` the letter behind it.
std::string HintForSymbol(const std::string& symbol, const std::string& before, char behind);

// The byte at protobuf's line and column, which count from 0 and take tabs for up to 8 columns.
size_t OffsetOf(const std::string& text, int line, int column);

// By letters from 1, as editors show it.
struct TextPlace {
  int line, column;
};
TextPlace PlaceOf(const std::string& text, size_t offset);

// Whether the text is a file in UTF-16, with or without a mark at its beginning.
bool IsUtf16(const std::string& text);

}  // namespace crema
