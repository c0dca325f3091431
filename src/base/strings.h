// Small text utilities.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace crema {

// The candidate that the fewest insertions, deletions, replacements and swaps of neighbours turn
// into `word`, ignoring case; the first one where several tie. "" where none is near enough to be
// what was meant.
std::string Nearest(const std::string& word, const std::vector<std::string>& candidates);

// A 64-bit hash that never changes (FNV-1a).
uint64_t StableHash(std::string_view text);

// "a, b, c".
std::string Join(const std::vector<std::string>& parts, std::string_view separator = ", ");

// The parts between commas, without white space around them; empty parts are dropped.
std::vector<std::string> SplitList(std::string_view text);

// How many bytes the UTF-8 character that begins at `at` has; 0 where there is none.
size_t Utf8Length(std::string_view text, size_t at);

// `text` with each byte that is not UTF-8 taken for a character of Latin-1.
std::string ToUtf8(std::string_view text);

// "1.5 MB", with decimal units.
std::string BytesToString(double bytes);

}  // namespace crema
