// Two numbers that are summed in one pass.
#pragma once

namespace crema {

template <class T>
struct Pair {
  T first, second;
};

template <class T>
constexpr Pair<T> operator+(const Pair<T>& a, const Pair<T>& b) {
  return {a.first + b.first, a.second + b.second};
}

}  // namespace crema
