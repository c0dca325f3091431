#include "schema/lexical_mistakes.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/strings.h"
#include "crema/error.h"

namespace crema {
namespace {

constexpr size_t kLongestShown = 40;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// ---- Strings

// How many of the letters from `at` on are hexadecimal digits, at most `most`.
size_t CountHex(const std::string& text, size_t at, size_t most) {
  size_t count = 0;
  while (count < most && at + count < text.size() && IsHex(text[at + count])) ++count;
  return count;
}

// Whether what follows a backslash is one of the language's escapes.
bool IsEscape(const std::string& text, size_t at) {
  const char c = at < text.size() ? text[at] : '\0';
  if (c == 'x' || c == 'X') return CountHex(text, at + 1, 1) == 1;
  if (c == 'u') return CountHex(text, at + 1, 4) == 4;
  if (c == 'U') {
    const bool digits = CountHex(text, at + 1, 8) == 8;
    return digits && std::stoul(text.substr(at + 1, 8), nullptr, 16) <= 0x10FFFF;
  }
  return c != '\0' && (std::strchr("abfnrtv\\?'\"", c) != nullptr || (c >= '0' && c <= '7'));
}

LexicalMistake BadEscape(const std::string& text, size_t at) {
  const size_t length = at + 1 < text.size() ? Utf8Length(text, at + 1) : 0;
  return {at, Concat("the backslash in \"", ToUtf8(text.substr(at, 1 + length)),
                     "\" starts no valid escape; write \"/\" in paths, or \"\\\\\" for a "
                     "backslash")};
}

LexicalMistake InString(const std::string& text, size_t from) {
  const char quote = text[from];
  size_t escaped_quote = std::string::npos;
  for (size_t at = from + 1; at < text.size() && text[at] != '\n'; ++at) {
    if (text[at] == quote) break;
    if (text[at] != '\\') continue;
    const bool ends = at + 1 == text.size() || text[at + 1] == '\n' || text[at + 1] == '\r';
    if (!ends && !IsEscape(text, at + 1)) return BadEscape(text, at);
    if (!ends && text[at + 1] == quote) escaped_quote = at;
    ++at;
  }
  if (escaped_quote != std::string::npos) {
    return {escaped_quote,
            "the backslash makes the next quote part of the string, which then has no closing "
            "quote; write \"/\" in paths, or \"\\\\\" for a backslash"};
  }
  return {from, Concat("the string that starts here has no closing quote (", quote,
                       ") on its line; add it")};
}

// ---- Numbers

// The letters that belong to what is meant to be a number.
std::string NumberWord(const std::string& text, size_t from) {
  size_t end = from;
  const auto goes_on = [&] {
    const bool sign = (text[end] == '-' || text[end] == '+') && end > from &&
                      (text[end - 1] == 'e' || text[end - 1] == 'E');
    return IsWord(text[end]) || text[end] == '.' || sign;
  };
  while (end < text.size() && goes_on()) ++end;
  return text.substr(from, std::min(end - from, kLongestShown));
}

LexicalMistake InNumber(const std::string& text, size_t from) {
  const std::string comma = DecimalComma(text, from);
  if (!comma.empty()) return {from, comma};
  const std::string word = NumberWord(text, from);
  const bool octal = word[0] == '0' && word.find_first_not_of("0123456789") == std::string::npos;
  return {from, "\"" + word + "\" is not a number; " +
                    (octal ? "remove the leading 0"
                           : "write it as 12, 0.5 or 1e-3, with a space after it")};
}

}  // namespace

std::string DecimalComma(const std::string& text, size_t at) {
  if (at < 2 || at >= text.size() || text[at - 1] != ',') return "";
  if (!IsDigit(text[at]) || !IsDigit(text[at - 2])) return "";
  const size_t opens = text.find_last_of("[:", at);
  if (opens == std::string::npos || text[opens] == '[') return "";
  size_t first = at - 2;
  while (first > 0 && IsDigit(text[first - 1])) --first;
  const std::string whole = text.substr(first, at - 1 - first).substr(0, kLongestShown);
  const std::string rest = NumberWord(text, at);
  const std::string found = Concat("\"", whole, ",", rest, "\" has a comma in it; write ");
  const bool groups = rest.size() == 3 && whole[0] != '0';  // "10,000"
  return groups ? Concat(found, whole, rest, ", or ", whole, ".", rest, " for a fraction")
                : Concat(found, whole, ".", rest);
}

namespace {

// ---- Letters

struct Letter {
  uint32_t code;
  const char* name;
  const char* advice;
};

constexpr const char* kPlainQuotes = "use the plain quote \"";
constexpr const char* kPlainSpace = "use a plain space instead";
constexpr const char* kRemove = "remove it";
constexpr const char* kPlainMinus = "use the plain minus sign -";

const Letter kLetters[] = {
    {0x201C, "a curly quote", kPlainQuotes},
    {0x201D, "a curly quote", kPlainQuotes},
    {0x201E, "a low quote", kPlainQuotes},
    {0x2018, "a curly quote", kPlainQuotes},
    {0x2019, "a curly quote", kPlainQuotes},
    {0x00AB, "a quote", kPlainQuotes},
    {0x00BB, "a quote", kPlainQuotes},
    {0xFF02, "a wide quote", kPlainQuotes},
    {0x00A0, "a non-breaking space", kPlainSpace},
    {0x202F, "a narrow space", kPlainSpace},
    {0x2003, "a wide space", kPlainSpace},
    {0x3000, "a wide space", kPlainSpace},
    {0x200B, "an invisible space", kRemove},
    {0xFEFF, "a byte-order mark", kRemove},
    {0x2028, "a line separator", "use a plain line break instead"},
    {0x2010, "a hyphen", kPlainMinus},
    {0x2013, "a dash", kPlainMinus},
    {0x2014, "a dash", kPlainMinus},
    {0x2212, "a minus sign", kPlainMinus},
    {0xFF1A, "a wide colon", "use the plain colon :"},
    {0xFF0C, "a wide comma", "use the plain comma ,"},
};

// Of a character of UTF-8 that has `length` bytes.
uint32_t CodeAt(const std::string& text, size_t at, size_t length) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (length == 1) return byte(0);
  uint32_t code = byte(0) & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3F);
  return code;
}

std::string CodeName(uint32_t code) {
  char text[16];
  std::snprintf(text, sizeof text, "U+%04X", code);
  return text;
}

LexicalMistake OddLetter(const std::string& text, size_t at) {
  const size_t length = at < text.size() ? Utf8Length(text, at) : 0;
  if (length == 0) {
    const int byte = at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    return {at, Concat("the byte ", byte, " is not UTF-8; save the file as UTF-8, or correct it")};
  }
  const uint32_t code = CodeAt(text, at, length);
  for (const Letter& letter : kLetters) {
    if (letter.code != code) continue;
    return {at, Concat(letter.name, " (", CodeName(code), ") is outside quotes; ", letter.advice)};
  }
  if (length == 1) {
    return {at, Concat("unexpected control character ", CodeName(code), "; remove it")};
  }
  return {at, Concat("the letter \"", text.substr(at, length), "\" (", CodeName(code),
                     ") is outside quotes; put the text in quotes, or remove it")};
}

}  // namespace

LexicalMistake FindLexicalMistake(const std::string& text, size_t from) {
  const char first = from < text.size() ? text[from] : '\0';
  if (first == '"' || first == '\'') return InString(text, from);
  if (IsDigit(first) || first == '.') return InNumber(text, from);
  return OddLetter(text, from);
}

std::string HintForSymbol(const std::string& symbol, const std::string& before, char behind) {
  const bool after_number = !before.empty() && (IsDigit(before[0]) || before[0] == '.');
  if (symbol == "/" && (behind == '/' || behind == '*')) return "; comments begin with #";
  if (symbol == "/" && after_number) return "; write a fraction as a decimal, as in 0.00390625";
  if (symbol == "=") return "; write \":\" instead of \"=\"";
  if (symbol == "+") return "; remove the +";
  if (symbol == ",") return "; remove the comma";
  if (symbol == "(" || symbol == "[") return "; groups are enclosed in { and }";
  if (!symbol.empty() && IsDigit(symbol[0]) && before == ",") {
    return "; decimals are written with a point, as in 0.5, and lists in [ and ]";
  }
  return "";
}

size_t OffsetOf(const std::string& text, int line, int column) {
  size_t at = 0;
  for (int i = 0; i < line && at != std::string::npos; ++i) {
    at = text.find('\n', at);
    if (at != std::string::npos) ++at;
  }
  int reached = 0;
  while (at < text.size() && reached < column) {
    reached += text[at] == '\t' ? 8 - reached % 8 : 1;
    ++at;
  }
  return std::min(at, text.size());
}

TextPlace PlaceOf(const std::string& text, size_t offset) {
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(offset, text.size()));
  const auto line = std::count(text.begin(), end, '\n') + 1;
  const size_t start = offset == 0 ? 0 : text.rfind('\n', offset - 1) + 1;  // npos + 1 is 0
  int column = 1;
  for (size_t at = start; at < offset && at < text.size();) {
    at += std::max<size_t>(1, Utf8Length(text, at));
    ++column;
  }
  return {static_cast<int>(line), column};
}

bool IsUtf16(const std::string& text) {
  if (text.rfind("\xff\xfe", 0) == 0 || text.rfind("\xfe\xff", 0) == 0) return true;
  // Plain letters have a zero byte each.
  size_t zeros[2] = {0, 0};
  for (size_t i = 0; i < text.size(); ++i) zeros[i % 2] += text[i] == '\0' ? 1 : 0;
  const size_t most = text.size() / 2;
  return most > 4 && std::max(zeros[0], zeros[1]) > most * 3 / 4 &&
         std::min(zeros[0], zeros[1]) < most / 8;
}

}  // namespace crema
