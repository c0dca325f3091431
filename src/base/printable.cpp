#include "base/printable.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "base/strings.h"

namespace crema {
namespace {

// The character of `length` bytes, which are UTF-8.
uint32_t CodeOf(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  uint32_t code = bytes.size() == 1 ? first : first & (0x7Fu >> bytes.size());
  for (char c : bytes.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3F);
  return code;
}

bool IsHarmless(uint32_t code) {
  const auto within = [code](uint32_t first, uint32_t last) {
    return code >= first && code <= last;
  };
  const bool control = code < 0x20 || within(0x7F, 0x9F);
  // Ends of lines and marks of direction.
  const bool unseen =
      code == 0x061C || within(0x200E, 0x200F) || within(0x2028, 0x202E) || within(0x2066, 0x2069);
  const bool no_character = (code & 0xFFFE) == 0xFFFE;
  return !control && !unseen && !no_character;
}

std::string Escape(std::string_view bytes) {
  std::string escaped;
  for (char c : bytes) {
    char hex[5];
    std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
    escaped += hex;
  }
  return escaped;
}

// `kept` are characters that stay, whatever they are.
std::string EscapeHarmful(std::string_view text, size_t most, std::string_view kept) {
  std::string shown;
  size_t at = 0;
  while (at < std::min(text.size(), most)) {
    const size_t length = Utf8Length(text, at);
    const std::string_view character = text.substr(at, std::max<size_t>(1, length));
    const bool stays = length > 0 && (IsHarmless(CodeOf(character)) ||
                                      kept.find(character[0]) != std::string_view::npos);
    shown += stays ? std::string(character) : Escape(character);
    at += character.size();
  }
  return at < text.size() ? shown + "..." : shown;
}

}  // namespace

std::string Printable(std::string_view text, size_t most) { return EscapeHarmful(text, most, ""); }

std::string PrintableLines(std::string_view text) {
  return EscapeHarmful(text, kWholeText, "\n\t");
}

}  // namespace crema
