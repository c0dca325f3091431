// Text files that list images or other files. All that takes such a list reads it through here.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace crema {

struct ListLine {
  std::string text;
  int number;  // from 1
};

// The lines of a list, without those that are empty, and without the blanks at their ends, the
// carriage returns and the mark at the beginning that editors on Windows leave. `owner` begins the
// sentences of errors, such as "layer 'data' (ImageData)"; it may be empty. `wanted` says what the
// list should be, as in "a text file with an image's path and its label in each line".
//
// Throws Error if the file cannot be read, holds no lines, or is no text: a folder, an image...
std::vector<ListLine> ReadListLines(const std::string& path, const std::string& wanted,
                                    const std::string& owner);

struct ListedImage {
  std::string path;
  int label;
  int line;  // in the list, from 1
};

// Lines "PATH LABEL", the label being a whole number ("7", "-7", "+7") behind the last blank. Paths
// may have blanks.
std::vector<ListedImage> ReadImageList(const std::string& path, const std::string& owner);
// How much memory they take.
size_t HeldBytes(const std::vector<ListedImage>& images);

// The names of files, one in each line. A name may have blanks; a line of several names that have
// none is understood, too, as Caffe does. Throws Error if one of the files cannot be opened.
std::vector<std::string> ReadFileList(const std::string& path, const std::string& wanted,
                                      const std::string& owner);

// "OWNER: PATH:LINE: ", for errors.
std::string NameLine(const std::string& owner, const std::string& path, int line);

}  // namespace crema
