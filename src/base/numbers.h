// Numbers as text, "10000" and "2.5", whatever locale the program has. For texts in streams there
// is TextStream (crema/error.h).
#pragma once

#include <iosfwd>
#include <string>

namespace crema {

// As printf writes it by %.*f and %.*g in the C locale.
std::string FixedText(double value, int decimals);
std::string GeneralText(double value, int digits);

// Whether the text is a number that rounds to this one.
bool ReadsAs(const std::string& text, float value);

// Numbers are read from the stream, and written to it, in this form.
void UsePlainNumbers(std::ios& stream);

// A to Z in lower case; in some locales std::tolower does not turn I into i.
std::string LowerCase(std::string text);

}  // namespace crema
