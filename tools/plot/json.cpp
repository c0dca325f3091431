#include "plot/json.h"

#include <charconv>
#include <cstdint>
#include <limits>

namespace crema {
namespace {

constexpr int kDeepest = 20;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendUtf8(uint32_t code, std::string* text) {
  const auto add = [&](uint32_t byte) { *text += static_cast<char>(byte); };
  if (code < 0x80) return add(code);
  if (code < 0x800) {
    add(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    add(0xE0 | code >> 12);
    add(0x80 | (code >> 6 & 0x3F));
  } else {
    add(0xF0 | code >> 18);
    add(0x80 | (code >> 12 & 0x3F));
    add(0x80 | (code >> 6 & 0x3F));
  }
  add(0x80 | (code & 0x3F));
}

// The functions take what they are named for, and return false where it is not there.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool TakeAll(Json* out) {
    if (!TakeValue(0, out)) return false;
    SkipBlanks();
    return at_ == text_.size();
  }

 private:
  char Next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(char c) {
    if (Next() != c) return false;
    ++at_;
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void SkipBlanks() {
    while (Next() == ' ' || Next() == '\t' || Next() == '\r' || Next() == '\n') ++at_;
  }
  bool TakeDigits() {
    const size_t begin = at_;
    while (IsDigit(Next())) ++at_;
    return at_ > begin;
  }
  bool TakeValue(int depth, Json* out);
  bool TakeMembers(char end, int depth, Json* out);
  bool TakeNumber(double* out);
  bool TakeString(std::string* out);
  bool TakeEscape(std::string* out);
  bool TakeUnit(uint32_t* unit);

  std::string_view text_;
  size_t at_ = 0;
};

bool Parser::TakeValue(int depth, Json* out) {
  SkipBlanks();
  if (TakeWord("null")) return true;
  if (Next() == 't' || Next() == 'f') {
    out->kind = Json::kBool;
    out->number = Next() == 't' ? 1 : 0;
    return TakeWord("true") || TakeWord("false");
  }
  if (Next() == '"') {
    out->kind = Json::kString;
    return TakeString(&out->text);
  }
  if (Next() == '[' || Next() == '{') {
    out->kind = Take('[') ? Json::kList : Json::kObject;
    if (out->kind == Json::kObject) ++at_;
    return depth < kDeepest && TakeMembers(out->kind == Json::kList ? ']' : '}', depth + 1, out);
  }
  out->kind = Json::kNumber;
  return TakeNumber(&out->number);
}

// Of a list or an object, whose opening bracket was taken.
bool Parser::TakeMembers(char end, int depth, Json* out) {
  SkipBlanks();
  if (Take(end)) return true;
  do {
    SkipBlanks();
    if (out->kind == Json::kObject) {
      out->names.emplace_back();
      if (!TakeString(&out->names.back())) return false;
      SkipBlanks();
      if (!Take(':')) return false;
    }
    out->values.emplace_back();
    if (!TakeValue(depth, &out->values.back())) return false;
    SkipBlanks();
  } while (Take(','));
  return Take(end);
}

bool Parser::TakeNumber(double* out) {
  const size_t begin = at_;
  Take('-');
  bool is_small = Take('0');  // of numbers that no double can hold
  if (!is_small && !TakeDigits()) return false;
  if (Take('.') && !TakeDigits()) return false;
  if (Take('e') || Take('E')) {
    is_small = Take('-');
    if (!is_small) Take('+');
    if (!TakeDigits()) return false;
  }
  const auto parsed = std::from_chars(text_.data() + begin, text_.data() + at_, *out);
  if (parsed.ec == std::errc::result_out_of_range) {
    const double most = std::numeric_limits<double>::infinity();
    *out = is_small ? 0 : text_[begin] == '-' ? -most : most;
  }
  return true;
}

bool Parser::TakeString(std::string* out) {
  if (!Take('"')) return false;
  while (!Take('"')) {
    if (at_ >= text_.size() || static_cast<unsigned char>(text_[at_]) < 0x20) return false;
    if (Take('\\')) {
      if (!TakeEscape(out)) return false;
    } else {
      *out += text_[at_++];
    }
  }
  return true;
}

// Behind the backslash. Halves of pairs that stand alone become question marks.
bool Parser::TakeEscape(std::string* out) {
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const size_t letter = kLetters.find(Next());
  if (at_ < text_.size() && letter != std::string_view::npos) {
    *out += kMeanings[letter];
    ++at_;
    return true;
  }
  uint32_t code = 0;
  if (!Take('u') || !TakeUnit(&code)) return false;
  if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_, 2) == "\\u") {
    uint32_t second = 0;
    at_ += 2;
    if (!TakeUnit(&second)) return false;
    const bool is_pair = second >= 0xDC00 && second < 0xE000;
    code = is_pair ? 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00) : '?';
  }
  AppendUtf8(code >= 0xD800 && code < 0xE000 ? '?' : code, out);
  return true;
}

// Four hexadecimal digits.
bool Parser::TakeUnit(uint32_t* unit) {
  if (text_.size() - at_ < 4) return false;
  const char* const begin = text_.data() + at_;
  const auto parsed = std::from_chars(begin, begin + 4, *unit, 16);
  at_ += 4;
  return parsed.ec == std::errc() && parsed.ptr == begin + 4;
}

}  // namespace

const Json* Json::Find(std::string_view name) const {
  for (size_t i = names.size(); i > 0; --i) {
    if (names[i - 1] == name) return &values[i - 1];
  }
  return nullptr;
}

std::optional<Json> ParseJson(std::string_view text) {
  Json json;
  if (!Parser(text).TakeAll(&json)) return std::nullopt;
  return json;
}

}  // namespace crema
