// Text from files, fit to be shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace crema {

constexpr size_t kWholeText = std::string_view::npos;

// The first `most` bytes of `text`, with "..." behind them if there are more. What a terminal or a
// picture must not get is escaped, byte by byte, as \x1b: control characters (ends of lines, too),
// bytes that are not UTF-8, characters that turn the direction of writing, and those that XML does
// not know. Names in files, and files' names, may hold any bytes.
std::string Printable(std::string_view text, size_t most = 60);

// The whole of `text`; ends of lines and tabs stay.
std::string PrintableLines(std::string_view text);

}  // namespace crema
