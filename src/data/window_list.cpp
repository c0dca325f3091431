#include "data/window_list.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/printable.h"
#include "crema/error.h"
#include "data/held_bytes.h"
#include "data/list_file.h"

namespace crema {
namespace {

constexpr int kChannels = 3;
constexpr char kBlanks[] = " \t\r\v\f";

template <class T>
bool Parse(std::string_view word, T* value) {
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), *value);
  return parsed.ec == std::errc() && parsed.ptr == word.data() + word.size();
}

// Takes words off the lines of a window file; where lines end is of no importance, but for paths.
class WindowReader {
 public:
  WindowReader(const std::string& path, const std::string& owner)
      : path_(path),
        owner_(owner),
        lines_(ReadListLines(path, "a window file, with \"# 0\" on its first line", owner)) {}

  bool at_end() {
    SkipBlanks();
    return line_ == lines_.size();
  }

  template <class... Parts>
  [[noreturn]] void Fail(const Parts&... parts) const {
    crema::Fail(owner_, owner_.empty() ? "" : ": ",
                InFile(path_, lines_[std::min(line_, lines_.size() - 1)].number), ": ", parts...);
  }

  std::string_view Word(const char* what) {
    if (at_end()) Fail("the file is incomplete: ", what, " is missing");
    const std::string_view rest = Rest();
    const std::string_view word = rest.substr(0, rest.find_first_of(kBlanks));
    column_ += word.size();
    return word;
  }

  template <class T>
  T Number(const char* what) {
    T number;
    const std::string_view word = Word(what);
    if (!Parse(word, &number)) {
      Fail("\"", Printable(word), "\" is not a number, but ", what, " is expected here");
    }
    return number;
  }

  // A path is the rest of its line, without whole numbers at its end that other words precede.
  std::string Path() {
    if (at_end()) Fail("the file is incomplete: the path of an image is missing");
    const std::string_view rest = Rest();
    size_t end = rest.size();
    for (size_t blank; (blank = rest.find_last_of(kBlanks, end - 1)) != std::string::npos;) {
      int64_t number;
      if (!Parse(rest.substr(blank + 1, end - blank - 1), &number)) break;
      end = rest.find_last_not_of(kBlanks, blank) + 1;
    }
    const bool numbers_follow = rest.substr(0, end).find_first_of(kBlanks) == std::string::npos;
    const std::string_view path = numbers_follow ? rest.substr(0, end) : rest;
    column_ += path.size();
    return std::string(path);
  }

 private:
  std::string_view Rest() const { return std::string_view(lines_[line_].text).substr(column_); }

  void SkipBlanks() {
    for (; line_ < lines_.size(); ++line_, column_ = 0) {
      column_ = lines_[line_].text.find_first_not_of(kBlanks, column_);
      if (column_ != std::string::npos) return;
    }
  }

  std::string path_, owner_;
  std::vector<ListLine> lines_;
  size_t line_ = 0, column_ = 0;
};

// Caffe keeps corners in single precision, which is exact up to here.
int Corner(WindowReader* in, const char* what) {
  constexpr int kMost = 1 << 24;
  const int corner = in->Number<int>(what);
  if (corner < -kMost || corner > kMost) {
    in->Fail(what, " is ", corner, ", but must be from ", -kMost, " to ", kMost);
  }
  return corner;
}

struct Thresholds {
  float foreground, background;
};

void ReadWindow(WindowReader* in, size_t image, const Thresholds& thresholds, WindowList* list) {
  ImageWindow window;
  window.image = image;
  window.label = in->Number<int>("a window's label");
  const auto overlap = in->Number<float>("a window's overlap");
  window.x1 = Corner(in, "a window's x1");
  window.y1 = Corner(in, "a window's y1");
  window.x2 = Corner(in, "a window's x2");
  window.y2 = Corner(in, "a window's y2");
  if (overlap >= thresholds.foreground) {
    if (window.label < 1) {
      in->Fail("a foreground window has label ", window.label,
               ", but must have 1 or more; 0 is the background");
    }
    list->foreground.push_back(window);
  } else if (overlap < thresholds.background) {
    window.label = 0;
    list->background.push_back(window);
  }
}

void ReadImage(WindowReader* in, const std::string& root, const Thresholds& thresholds,
               WindowList* list) {
  const std::string_view mark = in->Word("\"#\"");
  if (mark != "#") {
    in->Fail("\"", Printable(mark), "\" is found, but image ", list->images.size(),
             " must start here with \"#\" and a number");
  }
  in->Number<int64_t>("the number of an image");
  const size_t image = list->images.size();
  list->images.push_back(root + in->Path());
  const int channels = in->Number<int>("an image's number of channels");
  if (channels != kChannels) {
    in->Fail("image ", image, " has ", channels, " channels, expected ", kChannels,
             ", because images are read in colour");
  }
  in->Number<int>("an image's height");
  in->Number<int>("an image's width");
  const auto count = in->Number<int64_t>("an image's number of windows");
  for (int64_t i = 0; i < count; ++i) ReadWindow(in, image, thresholds, list);
}

}  // namespace

WindowList ReadWindowList(const std::string& path, const std::string& root, float fg_threshold,
                          float bg_threshold, const std::string& owner) {
  WindowReader in(path, owner);
  WindowList list;
  while (!in.at_end()) ReadImage(&in, root, {fg_threshold, bg_threshold}, &list);
  return list;
}

size_t HeldBytes(const WindowList& list) {
  return HeldBytes(list.images) +
         (list.foreground.capacity() + list.background.capacity()) * sizeof(ImageWindow);
}

}  // namespace crema
