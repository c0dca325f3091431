// Errors that a user can cause, and checks for our own mistakes.
#pragma once

#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>

namespace crema {

// Thrown for whatever a user can cause: a bad file, a bad option, a full disk. what() is one
// sentence that names the file and line or the layer, what was found, what was expected, and
// what to do. The command-line tool prints it and exits with status 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
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

// Throws Error with the parts printed one after the other.
template <class... Parts>
[[noreturn]] void Fail(const Parts&... parts) {
  throw Error(Concat(parts...));
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
