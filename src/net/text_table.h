// Rows of cells in aligned columns.
#pragma once

#include <string>
#include <vector>

namespace crema {

class TextTable {
 public:
  // Column `c` is as wide as its longest cell, and cells of numbers end at its right edge.
  void Row(std::vector<std::string> cells);
  void AlignRight(size_t column);
  // A line of its own below the last row.
  void Note(const std::string& text);
  // Makes the column narrower, but not below `least`, until rows have `width` characters: the
  // middle of longer cells becomes "..".
  void Shrink(size_t column, size_t least, size_t width);
  std::string ToString() const;

 private:
  struct Line {
    std::vector<std::string> cells;  // empty for a note
    std::string note;
  };
  size_t Width() const;
  std::string Print(const Line& line) const;

  std::vector<Line> lines_;
  std::vector<size_t> widths_;
  std::vector<bool> right_;
};

}  // namespace crema
