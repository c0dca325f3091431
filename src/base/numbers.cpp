#include "base/numbers.h"

#include <charconv>
#include <ios>
#include <locale>
#include <system_error>

namespace crema {
namespace {

std::string Printed(double value, std::chars_format format, int precision) {
  char text[512];  // 1e308 has 309 digits before its decimals
  const auto end = std::to_chars(text, text + sizeof text, value, format, precision);
  return {text, end.ptr};
}

}  // namespace

std::string FixedText(double value, int decimals) {
  return Printed(value, std::chars_format::fixed, decimals);
}

std::string GeneralText(double value, int digits) {
  return Printed(value, std::chars_format::general, digits);
}

bool ReadsAs(const std::string& text, float value) {
  float read = value;  // what it stays if the number is beyond the range of float, as infinity is
  std::from_chars(text.data(), text.data() + text.size(), read);
  return read == value;
}

void UsePlainNumbers(std::ios& stream) { stream.imbue(std::locale::classic()); }

std::string LowerCase(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace crema
