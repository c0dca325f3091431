#include "data/list_file.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdint>
#include <filesystem>
#include <sstream>

#include "base/printable.h"
#include "crema/error.h"
#include "data/held_bytes.h"
#include "schema/binary_io.h"
#include "schema/file_kind.h"

namespace crema {
namespace {

// What begins a sentence about a list of `owner`, which may be "".
std::string Before(const std::string& owner) { return owner.empty() ? "" : owner + ": "; }

constexpr char kBlanks[] = " \t\r\v\f";
constexpr size_t kLongestPath = 4096;

// What a file that is no text seems to be; "" for text.
std::string KindOfList(const std::string& bytes) {
  const std::string kind = KindOfBytes(bytes);
  if (!kind.empty()) return kind;
  const std::string start = bytes.substr(0, 2);
  if (start == "\xff\xfe" || start == "\xfe\xff") return "UTF-16 text (save it as UTF-8)";
  const auto is_control = [](unsigned char c) { return c < 9 || (c > 13 && c < 32); };
  const bool binary = std::any_of(
      bytes.begin(),
      bytes.begin() + std::min<std::ptrdiff_t>(4096, static_cast<std::ptrdiff_t>(bytes.size())),
      is_control);
  return binary ? "a binary file" : "";
}

std::string ReadText(const std::string& path, const std::string& wanted,
                     const std::string& before) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    Fail(before, "the list ", InFile(path), " is a folder; it must be ", wanted);
  }
  std::string bytes;
  try {
    bytes = ReadFileBytes(path);
  } catch (const Error& error) {
    Fail(before, "the list ", error);
  }
  const std::string kind = KindOfList(bytes);
  if (!kind.empty()) Fail(before, "the list ", InFile(path), " is ", kind, "; it must be ", wanted);
  constexpr char kMark[] = "\xef\xbb\xbf";
  return bytes.compare(0, 3, kMark) == 0 ? bytes.substr(3) : bytes;
}

bool CanBeOpened(const std::string& path) { return WhyNotReadable(path).empty(); }

// Behind the "+" of a number, which from_chars does not take, but Caffe does.
const char* SkipPlus(const char* number, const char* end) {
  return end - number > 1 && number[0] == '+' && number[1] != '-' ? number + 1 : number;
}

// The names in a line: the whole of it, or its words if these are files and the line is none.
std::vector<std::string> NamesIn(const std::string& line) {
  if (CanBeOpened(line)) return {line};
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return std::all_of(words.begin(), words.end(), CanBeOpened) ? words
                                                              : std::vector<std::string>{line};
}

}  // namespace

std::string NameLine(const std::string& owner, const std::string& path, int line) {
  return Concat(Before(owner), InFile(path, line), ": ");
}

std::vector<ListLine> ReadListLines(const std::string& path, const std::string& wanted,
                                    const std::string& owner) {
  const std::string before = Before(owner);
  std::istringstream text(ReadText(path, wanted, before));
  std::vector<ListLine> lines;
  int number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    line.erase(line.find_last_not_of(kBlanks) + 1);
    if (!line.empty()) lines.push_back({std::move(line), number});
  }
  if (lines.empty()) Fail(before, "the list ", InFile(path), " is empty; it must be ", wanted);
  return lines;
}

std::vector<ListedImage> ReadImageList(const std::string& path, const std::string& owner) {
  std::vector<ListedImage> images;
  for (const ListLine& line :
       ReadListLines(path, "a text file with an image path and a label on each line", owner)) {
    const std::string& text = line.text;
    const size_t blank = text.find_last_of(kBlanks);
    const size_t label_at = blank == std::string::npos ? 0 : blank + 1;
    ListedImage image = {"", 0, line.number};
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(SkipPlus(text.data() + label_at, end), end, image.label);
    if (blank != std::string::npos && parsed.ec == std::errc::result_out_of_range &&
        parsed.ptr == end) {
      Fail(Before(owner), InFile(path, line.number), ": \"", Printable(text),
           "\" has a label that is out of range; it must be from ", INT_MIN, " to ", INT_MAX);
    }
    if (blank == std::string::npos || parsed.ec != std::errc() || parsed.ptr != end) {
      Fail(
          Before(owner), InFile(path, line.number), ": \"", Printable(text),
          "\" does not end with a label; each line must be an image path, a space, and an integer");
    }
    image.path = text.substr(0, text.find_last_not_of(kBlanks, blank) + 1);
    if (image.path.empty()) {
      Fail(Before(owner), InFile(path, line.number), ": \"", Printable(text),
           "\" is a label without a path before it");
    }
    images.push_back(std::move(image));
  }
  if (images.size() > UINT32_MAX) {
    Fail(Before(owner), "the list ", InFile(path), " has ", images.size(),
         " lines, but at most 2^32 - 1 are supported");
  }
  return images;
}

std::vector<std::string> ReadFileList(const std::string& path, const std::string& wanted,
                                      const std::string& owner) {
  std::vector<std::string> names;
  for (const ListLine& line : ReadListLines(path, wanted, owner)) {
    for (std::string& name : NamesIn(line.text.substr(line.text.find_first_not_of(kBlanks)))) {
      const std::string why = WhyNotReadable(name);
      if (!why.empty()) {
        Fail(Before(owner), InFile(path, line.number), ": the file \"",
             Printable(name, kLongestPath), "\" ", why,
             "; each line must be the path of a file, absolute or relative to the current folder");
      }
      names.push_back(std::move(name));
    }
  }
  return names;
}

size_t HeldBytes(const std::vector<ListedImage>& images) {
  size_t bytes = images.capacity() * sizeof(ListedImage);
  for (const ListedImage& image : images) bytes += BytesBeyond(image.path);
  return bytes;
}

}  // namespace crema
