// LRN, local response normalisation: y_i = x_i * s_i^-beta with s_i = k + alpha / n * the sum of
// x_j^2 over the n neighbours j of i (Krizhevsky, Sutskever, Hinton: "ImageNet classification with
// deep convolutional neural networks", 2012). Backward, as neighbourhoods are mutual:
//   dx_i = dy_i s_i^-beta - 2 alpha beta / n * x_i * the sum of dy_j x_j s_j^(-beta - 1).
#include <cmath>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/registry.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

struct LrnSizes {
  int64_t images = 0;
  int channels = 0, height = 0, width = 0;
  int half = 0;  // neighbours on either side

  int64_t Count() const { return images * channels * height * width; }
};

// Functions of one number, given to kernels as types. s^-beta: the usual beta has a form that
// vectorises, which pow has not.
struct PowThreeQuarters {
  template <class T>
  HD static T Of(T s, T) {
    using std::sqrt;
    const T root = sqrt(s);
    return 1 / (root * sqrt(root));
  }
};
struct PowAny {
  template <class T>
  HD static T Of(T s, T beta) {
    using std::pow;
    return pow(s, -beta);
  }
};
struct Identity {
  template <class T>
  HD static T Of(T v) {
    return v;
  }
};
struct Square {
  template <class T>
  HD static T Of(T v) {
    return v * v;
  }
};

// out = start + weight * the sum of Term(in) over the neighbouring channels.
template <class Term, class T>
void SumAcross(const Context& ctx, const LrnSizes& s, const T* in, T start, T weight, T* out) {
  const int64_t plane = int64_t{s.height} * s.width;
  const int channels = s.channels, half = s.half;
  ForEach(ctx, s.images * channels, static_cast<int>(plane), [=] HD(int64_t r, int c) {
    const int channel = static_cast<int>(r % channels);
    const int first = channel < half ? -channel : -half;
    const int last = channel + half < channels ? half : channels - 1 - channel;
    const T* row = in + r * plane;
    T sum = 0;
    for (int j = first; j <= last; ++j) sum += Term::Of(row[j * plane + c]);
    out[r * plane + c] = start + weight * sum;
  });
}

// The same over a square within the channel.
template <class Term, class T>
void SumWithin(const Context& ctx, const LrnSizes& s, const T* in, T start, T weight, T* out) {
  const int height = s.height, width = s.width, half = s.half;
  ForEach(ctx, s.images * s.channels * height, width, [=] HD(int64_t r, int c) {
    const int row = static_cast<int>(r % height);
    const int top = row < half ? -row : -half;
    const int bottom = row + half < height ? half : height - 1 - row;
    const int left = c < half ? -c : -half;
    const int right = c + half < width ? half : width - 1 - c;
    const T* at = in + r * width + c;
    T sum = 0;
    for (int i = top; i <= bottom; ++i) {
      for (int j = left; j <= right; ++j) sum += Term::Of(at[int64_t{i} * width + j]);
    }
    out[r * width + c] = start + weight * sum;
  });
}

// The same in channels-last; of the first and last pixel of each line only, or of all.
template <class Term, class T>
void SumWithinLast(const Context& ctx, const LrnSizes& s, bool edges, const T* in, T start,
                   T weight, T* out) {
  const int height = s.height, width = s.width, half = s.half;
  const int64_t channels = s.channels;
  const int pixels = edges ? 2 : width, step = edges ? width - 1 : 1;
  ForEach(ctx, s.images * height * pixels, s.channels, [=] HD(int64_t k, int c) {
    const int column = static_cast<int>(k % pixels) * step;
    const int row = static_cast<int>(k / pixels % height);
    const int64_t r = k / pixels * width + column;
    const int top = row < half ? -row : -half;
    const int bottom = row + half < height ? half : height - 1 - row;
    const int left = column < half ? -column : -half;
    const int right = column + half < width ? half : width - 1 - column;
    const T* at = in + r * channels + c;
    T sum = 0;
    for (int i = top; i <= bottom; ++i) {
      for (int j = left; j <= right; ++j) {
        sum += Term::Of(at[(int64_t{i} * width + j) * channels]);
      }
    }
    out[r * channels + c] = start + weight * sum;
  });
}

// Squares of 3 x 3 around all other pixels: with fixed limits the loop along a line, over pixels
// and channels, vectorises.
template <class Term, class T>
void SumInner3x3Last(const Context& ctx, const LrnSizes& s, const T* in, T start, T weight,
                     T* out) {
  const int height = s.height, channels = s.channels;
  const int64_t line = int64_t{s.width} * s.channels;
  ForEach(ctx, s.images * height, (s.width - 2) * channels, [=] HD(int64_t r, int c) {
    const int row = static_cast<int>(r % height);
    const T* image = in + (r - row) * line;
    T sum = 0;
    for (int i = -1; i <= 1; ++i) {
      const int low = row + i > 0 ? row + i : 0, near = low < height ? low : height - 1;
      const T share = static_cast<T>(near == row + i);  // a line beside the image counts as 0
      const T* at = image + near * line + c;
      sum += share * (Term::Of(at[0]) + Term::Of(at[channels]) + Term::Of(at[2 * channels]));
    }
    out[r * line + channels + c] = start + weight * sum;
  });
}

template <class Term, class T>
void SumAcrossLast(const Context& ctx, const LrnSizes& s, const T* in, T start, T weight, T* out) {
  const int channels = s.channels, half = s.half;
  ForEach(ctx, s.images * s.height * s.width, channels, [=] HD(int64_t r, int c) {
    const int first = c < half ? 0 : c - half;
    const int last = c + half < channels ? c + half : channels - 1;
    const T* row = in + r * channels;
    T sum = 0;
    for (int j = first; j <= last; ++j) sum += Term::Of(row[j]);
    out[r * channels + c] = start + weight * sum;
  });
}

struct LrnOptions {
  bool within = false, channels_last = false;
  float k = 1, beta = 0.75f;
  double alpha_over_n = 1;
};

template <class Term, class T>
void Sum(const Context& ctx, const LrnSizes& s, const LrnOptions& o, const T* in, T start, T weight,
         T* out) {
  if (o.channels_last && o.within) {
    const bool fixed =
        s.half == 1 && s.width > 2 && s.channels > 0 && s.width < (1 << 30) / s.channels;
    if (fixed) SumInner3x3Last<Term>(ctx, s, in, start, weight, out);
    SumWithinLast<Term>(ctx, s, fixed, in, start, weight, out);
  } else if (o.channels_last) {
    SumAcrossLast<Term>(ctx, s, in, start, weight, out);
  } else if (o.within) {
    SumWithin<Term>(ctx, s, in, start, weight, out);
  } else {
    SumAcross<Term>(ctx, s, in, start, weight, out);
  }
}

template <class Pow, class T>
void LrnForward(const Context& ctx, const LrnSizes& s, const LrnOptions& o, const T* x, T* scale,
                T* y) {
  const T beta = o.beta;
  Sum<Square, T>(ctx, s, o, x, o.k, T(o.alpha_over_n), scale);
  ForEach(ctx, s.Count(), [=] HD(int64_t i) { y[i] = x[i] * Pow::Of(scale[i], beta); });
}

// `ratio` is scratch; dx holds the sums of the ratios for a while.
template <class Pow, class T>
void LrnBackward(const Context& ctx, const LrnSizes& s, const LrnOptions& o, const T* x,
                 const T* scale, const T* dy, T* ratio, T* dx) {
  const T beta = o.beta, factor = 2 * T(o.alpha_over_n) * beta;
  ForEach(ctx, s.Count(), [=] HD(int64_t i) {
    const T v = scale[i];
    ratio[i] = dy[i] * x[i] * Pow::Of(v, beta) / v;
  });
  Sum<Identity, T>(ctx, s, o, ratio, 0, 1, dx);
  ForEach(ctx, s.Count(),
          [=] HD(int64_t i) { dx[i] = dy[i] * Pow::Of(scale[i], beta) - factor * x[i] * dx[i]; });
}

class LrnLayer : public Layer {
 public:
  LrnLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::LRNParameter& p = config.lrn_param();
    CheckRange(Title() + ": local_size", p.local_size(), 1, 1 << 24);
    if (p.local_size() % 2 == 0) Fail("local_size is ", p.local_size(), ", but must be odd");
    const double size = p.local_size();
    sizes_.half = static_cast<int>(p.local_size() / 2);
    options_.within = p.norm_region() == proto::LRNParameter::WITHIN_CHANNEL;
    options_.k = options_.within ? 1 : p.k();
    options_.alpha_over_n = p.alpha() / (options_.within ? size * size : size);
    options_.beta = p.beta();
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::PerSample();
    traits.backward_needs_top_data = false;
    traits.accepts_channels_last = true;
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& bottom = input.shape(0);
    if (bottom.rank() != 4) {
      Fail("the input ", bottom.ToString(), " has ", bottom.rank(),
           " axes, but must have 4 (N, C, H, W)");
    }
    constexpr int64_t kMost = int64_t{1} << 30;
    const std::string where = " of the input " + bottom.ToString();
    CheckRange(Title() + ": the number of pixels of an image" + where, bottom.CountFrom(2), 0,
               kMost);
    CheckRange(Title() + ": the number of channels" + where, bottom[1], 0, kMost);
    options_.channels_last = input.layout == Layout::kChannelsLast;
    sizes_.images = bottom[0];
    sizes_.channels = static_cast<int>(bottom[1]);
    sizes_.height = static_cast<int>(bottom[2]);
    sizes_.width = static_cast<int>(bottom[3]);
    LayerPlan plan;
    plan.tops = {bottom};
    saved_.Begin(input);
    saved_.Save(bottom, &plan);  // the sums
    if (!input.runs_backward) return plan;
    plan.scratch_bytes = static_cast<size_t>(bottom.count()) * SizeOf(input.dtype);  // the ratios
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, {
      const T* x = bottom[0]->data<T>();
      T* scale = saved_.Open(ctx, states()).at<T>(0);
      T* y = top[0]->mutable_data<T>();
      if (options_.beta == 0.75f) {
        LrnForward<PowThreeQuarters>(ctx, sizes_, options_, x, scale, y);
      } else {
        LrnForward<PowAny>(ctx, sizes_, options_, x, scale, y);
      }
    });
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T *x = bottom[0]->data<T>(), *dy = top[0]->diff<T>();
      const T* scale = saved_.Saved(states()).at<T>(0);
      T* ratio = static_cast<T*>(ctx.Scratch(sizes_.Count() * sizeof(T)));
      T* dx = bottom[0]->mutable_diff<T>();
      if (options_.beta == 0.75f) {
        LrnBackward<PowThreeQuarters>(ctx, sizes_, options_, x, scale, dy, ratio, dx);
      } else {
        LrnBackward<PowAny>(ctx, sizes_, options_, x, scale, dy, ratio, dx);
      }
    });
  }

 private:
  LrnSizes sizes_;
  LrnOptions options_;
  SavedForBackward saved_;
};

CREMA_REGISTER_LAYER("LRN", LrnLayer);

}  // namespace
}  // namespace crema
