// What a layer computes, said without its type, so that another layer can do the work in its own
// passes over memory (fusible.h). Whoever describes a layer of its own has it fused as ours are.
#pragma once

#include <vector>

namespace crema {

// y = f(x), element by element; dx = dy * f'(x).
struct Pointwise {
  enum class Kind {
    kRelu,     // x > 0 ? x : slope * x, and the slope as f' elsewhere than above 0
    kElu,      // x > 0 ? x : alpha * (exp(x) - 1)
    kSigmoid,  // 1 / (1 + exp(-x))
    kTanh,     // tanh(x)
    kClip,     // min(max(x, low), high); no gradient passes outside
    kPower,    // (shift + scale * x) ^ power
  };
  Kind kind = Kind::kRelu;
  // The numbers that the kind names; the others mean nothing.
  float slope = 0, alpha = 1, low = 0, high = 0, shift = 0, scale = 1, power = 1;

  // Of 0, or of the part of a negative x that a leaky one lets through.
  static Pointwise Relu(float slope) {
    Pointwise made;
    made.slope = slope;
    return made;
  }
  static Pointwise Elu(float alpha) {
    Pointwise made = Of(Kind::kElu);
    made.alpha = alpha;
    return made;
  }
  static Pointwise Clip(float low, float high) {
    Pointwise made = Of(Kind::kClip);
    made.low = low;
    made.high = high;
    return made;
  }
  static Pointwise Power(float power, float scale, float shift) {
    Pointwise made = Of(Kind::kPower);
    made.power = power;
    made.scale = scale;
    made.shift = shift;
    return made;
  }
  // A kind without numbers.
  static Pointwise Of(Kind kind) {
    Pointwise made;
    made.kind = kind;
    return made;
  }
};

// y = (x - mean) / sqrt(variance + eps) * scale + shift, with numbers of x's channel (axis 1), all
// of which are parameters of the layer that no pass changes. Each is told by the index of its
// parameter, which has one number a channel; -1: there is none, and its part of the formula is left
// out. The gradients of `scale` and `shift` are those of the formula; the others do not learn.
struct ChannelAffine {
  int mean = -1, variance = -1;  // both or neither
  // Of a parameter of one number: mean and variance are still to be divided by it; by 0 gives 0.
  int weight = -1;
  float eps = 0;
  int scale = -1, shift = -1;

  // Whether there is a mean and a variance.
  bool HasStatistics() const { return variance >= 0; }
};

// y = coefficients[0] * x0 + coefficients[1] * x1 + ..., for bottoms of one shape.
struct WeightedSum {
  std::vector<float> coefficients;  // one a bottom
};

}  // namespace crema
