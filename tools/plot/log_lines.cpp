#include "plot/log_lines.h"

namespace crema {
namespace {

void AppendUtf8(unsigned code, std::string* text) {
  if (code < 0x80) {
    *text += static_cast<char>(code);
  } else if (code < 0x800) {
    *text += static_cast<char>(0xC0 | code >> 6);
    *text += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *text += static_cast<char>(0xE0 | code >> 12);
    *text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *text += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// Letters beyond the first 65,536, which take two units, become two question marks.
std::string FromUtf16(const std::string& bytes, bool big_endian) {
  std::string text;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const auto first = static_cast<unsigned char>(bytes[i]);
    const auto second = static_cast<unsigned char>(bytes[i + 1]);
    const unsigned code = big_endian ? first << 8 | second : second << 8 | first;
    if (code != 0xFEFF) AppendUtf8(code >= 0xD800 && code < 0xE000 ? '?' : code, &text);
  }
  return text;
}

// By the mark at the start or, as logs begin with ASCII, by the zeros.
std::string ToUtf8(const std::string& bytes) {
  if (bytes.size() < 2) return bytes;
  const std::string mark = bytes.substr(0, 2);
  if (mark == "\xFF\xFE" || (mark[0] != '\0' && mark[1] == '\0')) return FromUtf16(bytes, false);
  if (mark == "\xFE\xFF" || (mark[0] == '\0' && mark[1] != '\0')) return FromUtf16(bytes, true);
  return bytes.compare(0, 3, "\xEF\xBB\xBF") == 0 ? bytes.substr(3) : bytes;
}

// The place behind the escape sequence that begins at `at`: ESC [ numbers letter, or ESC and one
// letter.
size_t SkipEscape(const std::string& text, size_t at) {
  if (at + 1 >= text.size() || text[at + 1] != '[') return at + 2;
  for (at += 2; at < text.size(); ++at) {
    if (text[at] >= 0x40 && text[at] <= 0x7E) return at + 1;
    if (text[at] < 0x20) return at;  // no escape sequence goes on behind the line's end
  }
  return at;
}

}  // namespace

LogLines::LogLines(const std::string& bytes) : text_(ToUtf8(bytes)) {}

bool LogLines::Next(std::string* line) {
  line->clear();
  if (ended_) return false;
  while (at_ < text_.size()) {
    if (text_[at_] == '\x1B') {
      at_ = SkipEscape(text_, at_);
      continue;
    }
    const bool pair = text_.compare(at_, 2, "\r\n") == 0;
    if (pair || text_[at_] == '\n' || text_[at_] == '\r') {
      at_ += pair ? 2 : 1;
      return true;
    }
    *line += text_[at_++];
  }
  ended_ = true;
  return true;
}

}  // namespace crema
