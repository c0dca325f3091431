// Folds what an epilogue multiplies and adds, channel by channel, into the weights and the bias of
// the layer before it, on the device where they are. Compiled with the engine, for its device.
#pragma once

#include <cmath>

#include "crema/dev/for_each.h"
#include "crema/error.h"
#include "engines/shared/epilogue.h"

namespace crema {
inline namespace CREMA_TARGET {

// Of the parameters of a ChannelAffine; null where there is none.
template <class T>
struct AffineNumbers {
  const T *mean = nullptr, *variance = nullptr, *weight = nullptr;
  const T *scale = nullptr, *shift = nullptr;
  double eps = 0;
};

template <class T>
AffineNumbers<T> NumbersOf(const Epilogue::Affine& affine, int64_t channels) {
  const auto numbers = [&](int index, int64_t count) -> const T* {
    if (index < 0) return nullptr;
    const Blob& param = *affine.params[static_cast<size_t>(index)];
    CREMA_CHECK(param.count() == count, affine.layer->name(), ": param ", index);
    return param.data<T>();
  };
  const ChannelAffine& d = affine.description;
  return {numbers(d.mean, channels),  numbers(d.variance, channels), numbers(d.weight, 1),
          numbers(d.scale, channels), numbers(d.shift, channels),    d.eps};
}

// y = x * factor + offset, of each channel, becomes what the affine makes of that y. In double,
// since a variance may be tiny.
template <class T>
void ThenAffine(const Context& ctx, int64_t channels, const AffineNumbers<T>& numbers,
                double* factor, double* offset) {
  const T *mean = numbers.mean, *variance = numbers.variance, *weight = numbers.weight;
  const T *scale = numbers.scale, *shift = numbers.shift;
  const double eps = numbers.eps;
  ForEach(ctx, channels, [=] HD(int64_t c) {
    double f = factor[c], o = offset[c];
    if (variance != nullptr) {
      const double count = weight == nullptr ? 1.0 : static_cast<double>(weight[0]);
      const double share = count == 0 ? 0 : 1 / count;
      const double inverse = 1 / std::sqrt(variance[c] * share + eps);
      f *= inverse;
      o = (o - mean[c] * share) * inverse;
    }
    if (scale != nullptr) {
      f *= scale[c];
      o *= scale[c];
    }
    factor[c] = f;
    offset[c] = shift == nullptr ? o : o + shift[c];
  });
}

// `bias` may be null.
template <class T>
void BeginFactors(const Context& ctx, int64_t channels, const T* bias, double* factor,
                  double* offset) {
  ForEach(ctx, channels, [=] HD(int64_t c) {
    factor[c] = 1;
    offset[c] = bias == nullptr ? 0.0 : static_cast<double>(bias[c]);
  });
}

template <class T>
void ApplyFactors(const Context& ctx, int64_t channels, int row, const double* factor,
                  const double* offset, const T* weights, T* folded_weights, T* folded_bias) {
  ForEach(ctx, channels, [=] HD(int64_t c) { folded_bias[c] = static_cast<T>(offset[c]); });
  const int64_t length = row;
  ForEach(ctx, channels, row, [=] HD(int64_t c, int i) {
    folded_weights[c * length + i] = static_cast<T>(weights[c * length + i] * factor[c]);
  });
}

// What Fold takes of `scratch`.
inline size_t FoldScratchBytes(int64_t channels) {
  return 2 * static_cast<size_t>(channels) * sizeof(double);
}

// The host's weights and bias with all of the epilogue's affines in them. There are `channels` rows
// of `row` weights; `bias` may be null. All addresses are on the context's device, and `scratch`
// is aligned.
template <class T>
void Fold(const Context& ctx, const Epilogue& epilogue, int64_t channels, int row, const T* weights,
          const T* bias, void* scratch, T* folded_weights, T* folded_bias) {
  double* const factor = static_cast<double*>(scratch);
  double* const offset = factor + channels;
  BeginFactors<T>(ctx, channels, bias, factor, offset);
  for (const Epilogue::Affine& affine : epilogue.affines()) {
    ThenAffine<T>(ctx, channels, NumbersOf<T>(affine, channels), factor, offset);
  }
  ApplyFactors<T>(ctx, channels, row, factor, offset, weights, folded_weights, folded_bias);
}

}  // namespace CREMA_TARGET
}  // namespace crema
