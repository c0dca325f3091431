// Errors that a user can cause, and checks for our own mistakes.
#pragma once

#include <locale>
#include <memory>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace crema {

// Where that stands which an Error speaks of. What is unknown is empty, or 0.
struct ErrorPlace {
  std::string file;   // its path, as the user wrote it
  int line = 0;       // in that file, counted from 1
  std::string layer;  // its name in the net, without its type
};

// Thrown for whatever a user can cause: a bad file, a bad option, a full disk. what() is one
// sentence that names the file and line or the layer, what was found, what was expected, and
// what to do. The command-line tool prints it and exits with status 1. A program that shows errors
// in its own way, as an editor does, finds the place in fields and need not search the sentence.
class Error : public std::runtime_error {
 public:
  // `sentence` is what() and names the place itself; `place` says it once more for programs.
  explicit Error(const std::string& sentence, ErrorPlace place = {});

  // Valid as long as this Error or a copy of it. The layer is known for what is wrong with a layer
  // of a net, the file for what is wrong with a file, and the line for texts.
  const std::string& file() const noexcept { return place_->file; }
  int line() const noexcept { return place_->line; }                   // from 1; 0: unknown
  const std::string& layer() const noexcept { return place_->layer; }  // "": unknown
  const ErrorPlace& place() const noexcept { return *place_; }         // the three of them

  // The same Error, told of `subject`, such as "net.prototxt, phase TEST": "SUBJECT: what()", or
  // what() as it is if that begins so. What is unknown of its place is taken from `place`.
  Error About(const std::string& subject, const ErrorPlace& place) const;

 private:
  std::shared_ptr<const ErrorPlace> place_;  // copying an exception must not throw
};

// A stream into a string that writes numbers as C++ does, "10000" and "2.5", whatever locale the
// program has.
class TextStream : public std::ostringstream {
 public:
  TextStream() { imbue(std::locale::classic()); }
};

// "a", 1, "b" -> "a1b".
template <class... Parts>
std::string Concat(const Parts&... parts) {
  TextStream text;
  (void)(text << ... << parts);
  return text.str();
}

// Parts of a sentence that also tell Fail its place. The first of a kind counts.

// Prints "net.prototxt", or "net.prototxt:12" where the line is known. Lives no longer than `path`.
class InFile {
 public:
  // `line` counts from 1; 0: unknown, or the file as a whole.
  explicit InFile(const std::string& path, int line = 0) : path_(path), line_(line) {}
  ErrorPlace place() const;  // both
  friend std::ostream& operator<<(std::ostream& out, const InFile& part);

 private:
  const std::string& path_;
  int line_;
};

// Prints "layer 'conv1' (Convolution)", or "layer 'conv1'" where the type is "".
class InLayer {
 public:
  InLayer(std::string name, std::string type) : name_(std::move(name)), type_(std::move(type)) {}
  // What is printed.
  // NOLINTNEXTLINE(google-explicit-constructor): titles are mostly texts.
  operator std::string() const;
  ErrorPlace place() const;  // the name
  friend std::ostream& operator<<(std::ostream& out, const InLayer& part);

 private:
  std::string name_, type_;
};

// Prints what().
std::ostream& operator<<(std::ostream& out, const Error& error);

// What Fail does with each part: only those above tell of a place.
template <class Part>
void NotePlace(const Part&, ErrorPlace*) {}
void NotePlace(const InFile& part, ErrorPlace* place);   // file and line, if no file is known yet
void NotePlace(const InLayer& part, ErrorPlace* place);  // the layer, if none is known yet
void NotePlace(const Error& part, ErrorPlace* place);    // whatever is unknown yet

// Throws Error with the parts printed one after the other. An Error may be one of them.
template <class... Parts>
[[noreturn]] void Fail(const Parts&... parts) {
  ErrorPlace place;
  (NotePlace(parts, &place), ...);
  throw Error(Concat(parts...), std::move(place));
}

// Reports a broken invariant of crema itself, with its place, and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& message);

}  // namespace crema

// For mistakes of ours, never for a user's input.
#define CREMA_CHECK(condition, ...)                                                       \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      ::crema::CheckFailed(__FILE__, __LINE__, #condition, ::crema::Concat(__VA_ARGS__)); \
    }                                                                                     \
  } while (false)
