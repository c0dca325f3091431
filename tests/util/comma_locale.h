// A program in a locale that writes 10.000,5.
#pragma once

#include <clocale>
#include <locale>
#include <string>

namespace crema::test {

// The locale of C++ streams while it lives.
class CommaStreams {
 public:
  CommaStreams()
      : before_(std::locale::global(std::locale(std::locale::classic(), new CommaFacet))) {}
  ~CommaStreams() { std::locale::global(before_); }
  CommaStreams(const CommaStreams&) = delete;
  CommaStreams& operator=(const CommaStreams&) = delete;

 private:
  struct CommaFacet : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };

  std::locale before_;
};

// The locale of C's functions while it lives, if the system has one with a comma.
class CommaLocale {
 public:
  CommaLocale() : before_(std::setlocale(LC_ALL, nullptr)) {
    for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "pt_BR.UTF-8"}) {
      found_ = found_ || std::setlocale(LC_ALL, name) != nullptr;
    }
  }
  ~CommaLocale() { std::setlocale(LC_ALL, before_.c_str()); }
  CommaLocale(const CommaLocale&) = delete;
  CommaLocale& operator=(const CommaLocale&) = delete;

  bool found() const { return found_; }

 private:
  std::string before_;
  bool found_ = false;
};

}  // namespace crema::test
