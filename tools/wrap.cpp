#include "wrap.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <sstream>

namespace crema {

std::string Wrap(const std::string& text, size_t indent, size_t width) {
  const std::string margin(indent, ' ');
  std::ostringstream out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == ' ') {
      out << (line.empty() ? "" : margin + line) << "\n";
      continue;
    }
    size_t column = 0;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (column > 0 && column + 1 + word.size() > width) {
        out << "\n";
        column = 0;
      }
      out << (column == 0 ? margin : " ") << word;
      column = (column == 0 ? indent : column + 1) + word.size();
    }
    out << "\n";
  }
  return out.str();
}

size_t OutputWidth() {
  constexpr size_t kUsual = 80, kLeast = 40;
  if (isatty(STDOUT_FILENO) == 0) return std::numeric_limits<size_t>::max();
  winsize size{};
  const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? std::max<size_t>(kLeast, size.ws_col) : kUsual;
}

}  // namespace crema
