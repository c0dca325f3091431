// Two numbers that are summed in one pass.
#pragma once

namespace crema {

// Plain data; T{} of it is two zeros.
template <class T>
struct Pair {
  T first, second;
};

// Number by number, on host and device.
template <class T>
constexpr Pair<T> operator+(const Pair<T>& a, const Pair<T>& b) {
  return {a.first + b.first, a.second + b.second};
}

}  // namespace crema
