// How tables of text are laid out.
#include "net/text_table.h"

#include <algorithm>

namespace crema {
namespace {

constexpr char kGap[] = "  ";

std::string Cut(const std::string& text, size_t width) {
  if (text.size() <= width) return text;
  const size_t kept = width - std::min<size_t>(width, 2);
  const size_t front = kept - kept / 3;
  return text.substr(0, front) + ".." + text.substr(text.size() - (kept - front));
}

}  // namespace

void TextTable::Row(std::vector<std::string> cells) {
  widths_.resize(std::max(widths_.size(), cells.size()), 0);
  for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cells[i].size());
  lines_.push_back({std::move(cells), ""});
}

void TextTable::AlignRight(size_t column) {
  right_.resize(std::max(right_.size(), column + 1), false);
  right_[column] = true;
}

void TextTable::Note(const std::string& text) { lines_.push_back({{}, text}); }

size_t TextTable::Width() const {
  size_t width = 0;
  for (size_t column : widths_) width += column + (width > 0 ? sizeof kGap - 1 : 0);
  return width;
}

void TextTable::Shrink(size_t column, size_t least, size_t width) {
  const size_t now = Width();
  if (now <= width || widths_[column] <= least) return;
  widths_[column] -= std::min(now - width, widths_[column] - least);
}

std::string TextTable::Print(const Line& line) const {
  if (line.cells.empty()) return line.note;
  std::string text;
  for (size_t i = 0; i < line.cells.size(); ++i) {
    const std::string cell = Cut(line.cells[i], widths_[i]);
    const std::string blanks(widths_[i] - cell.size(), ' ');
    const bool right = i < right_.size() && right_[i];
    text += (i == 0 ? "" : kGap) + (right ? blanks + cell : cell + blanks);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string TextTable::ToString() const {
  std::string text;
  for (const Line& line : lines_) text += Print(line) + "\n";
  return text;
}

}  // namespace crema
