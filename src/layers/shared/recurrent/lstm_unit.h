// One step of a long short-term memory (Hochreiter and Schmidhuber: "Long short-term memory", 1997;
// with the forget gate of Gers, Schmidhuber, Cummins: "Learning to forget", 2000). With the gates
// i, f, o = sigmoid and g = tanh of their inputs:
//   c = cont f c_prev + i g,   h = o tanh(c).
#pragma once

#include <cmath>

#include "crema/dev/for_each.h"

namespace crema {
inline namespace CREMA_TARGET {

// `sequences` vectors of `units` each; gates are (sequences, 4, units) in the order i, f, o, g.
struct LstmSizes {
  int64_t sequences;
  int64_t units;
};

template <class T>
HD T SigmoidOf(T x) {
  return T(0.5) * std::tanh(T(0.5) * x) + T(0.5);
}

// `gates` may be `input`, or null if no backward pass needs them; `c` may be c_prev. cont (one
// for each sequence) is 0 where a sequence begins, else 1.
template <class T>
void LstmUnitForward(const Context& ctx, const LstmSizes& s, const T* input, const T* c_prev,
                     const T* cont, T* gates, T* c, T* h) {
  const int64_t units = s.units;
  ForEach(ctx, s.sequences, static_cast<int>(units), [=] HD(int64_t n, int d) {
    const int64_t first = n * 4 * units + d;
    const T i = SigmoidOf(input[first]);
    const T f = SigmoidOf(input[first + units]);
    const T o = SigmoidOf(input[first + 2 * units]);
    const T g = std::tanh(input[first + 3 * units]);
    // What was before a sequence does not count, whatever it is.
    const T kept = cont[n] == 0 ? T(0) : cont[n] * f * c_prev[n * units + d];
    const T cell = kept + i * g;
    if (gates != nullptr) {
      gates[first] = i;
      gates[first + units] = f;
      gates[first + 2 * units] = o;
      gates[first + 3 * units] = g;
    }
    c[n * units + d] = cell;
    h[n * units + d] = o * std::tanh(cell);
  });
}

// d_c and d_h are the gradients of c and h; d_c_prev may be d_c, and d_input `gates`.
template <class T>
void LstmUnitBackward(const Context& ctx, const LstmSizes& s, const T* gates, const T* c_prev,
                      const T* cont, const T* c, const T* d_c, const T* d_h, T* d_input,
                      T* d_c_prev) {
  const int64_t units = s.units;
  ForEach(ctx, s.sequences, static_cast<int>(units), [=] HD(int64_t n, int d) {
    const int64_t at = n * units + d, first = n * 4 * units + d;
    const T i = gates[first], f = gates[first + units];
    const T o = gates[first + 2 * units], g = gates[first + 3 * units];
    const T tanh_c = std::tanh(c[at]);
    const T slope = d_c[at] + d_h[at] * o * (1 - tanh_c * tanh_c);
    const T kept = cont[n] == 0 ? T(0) : cont[n] * c_prev[at];
    d_input[first] = slope * g * i * (1 - i);
    d_input[first + units] = slope * kept * f * (1 - f);
    d_input[first + 2 * units] = d_h[at] * tanh_c * o * (1 - o);
    d_input[first + 3 * units] = slope * i * (1 - g * g);
    d_c_prev[at] = slope * cont[n] * f;
  });
}

}  // namespace CREMA_TARGET
}  // namespace crema
