// Errors about fields of a solver, whose file the library need not know.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "base/ranges.h"
#include "crema/error.h"

namespace crema {

// what() is "solver: " and the sentence. Who has read the solver from a file puts the file there.
class SolverError : public Error {
 public:
  SolverError(const std::string& sentence, ErrorPlace place)
      : Error("solver: " + sentence, std::move(place)), sentence_(sentence) {}

  // The same, told of the file.
  Error InFileOf(const std::string& path) const {
    ErrorPlace known = place();
    if (known.file.empty()) known.file = path;
    return Error(path + ": " + sentence_, std::move(known));
  }

 private:
  std::string sentence_;
};

// Throws SolverError with the parts printed one after the other.
template <class... Parts>
[[noreturn]] void FailInSolver(const Parts&... parts) {
  ErrorPlace place;
  (NotePlace(parts, &place), ...);
  throw SolverError(Concat(parts...), std::move(place));
}

// CheckRange for a field of the solver.
inline void CheckSolverRange(const std::string& field, int64_t value, int64_t least,
                             int64_t most = std::numeric_limits<int>::max()) {
  try {
    CheckRange(field, value, least, most);
  } catch (const Error& error) {
    FailInSolver(error);
  }
}

}  // namespace crema
