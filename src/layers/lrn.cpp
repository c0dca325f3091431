// LRN, local response normalisation: y_i = x_i * s_i^-beta with s_i = k + alpha / n * the sum of
// x_j^2 over the n neighbours j of i (Krizhevsky, Sutskever, Hinton: "ImageNet classification with
// deep convolutional neural networks", 2012). Backward, as neighbourhoods are mutual:
//   dx_i = dy_i s_i^-beta - 2 alpha beta / n * x_i * the sum of dy_j x_j s_j^(-beta - 1).
#include <cmath>

#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "crema/math/for_each.h"
#include "layers/shared/engine.h"

namespace crema {
namespace {

struct LrnSizes {
  int64_t images = 0;
  int channels = 0, height = 0, width = 0;
  int half = 0;  // neighbours on either side
};

// s^-beta. The usual beta has a form that vectorises, which pow has not.
template <class T>
struct PowThreeQuarters {
  HD T operator()(T s) const {
    using std::sqrt;
    const T root = sqrt(s);
    return 1 / (root * sqrt(root));
  }
};
template <class T>
struct PowAny {
  T beta;
  HD T operator()(T s) const {
    using std::pow;
    return pow(s, -beta);
  }
};

template <class T>
struct Identity {
  HD T operator()(T v) const { return v; }
};
template <class T>
struct Square {
  HD T operator()(T v) const { return v * v; }
};

// out = start + weight * the sum of term(in) over the neighbouring channels.
template <class T, class Term>
void SumAcross(const Context& ctx, const LrnSizes& s, Term term, const T* in, T start, T weight,
               T* out) {
  const int plane = s.height * s.width, channels = s.channels, half = s.half;
  ForEach(ctx, s.images * channels, plane, [=] HD(int64_t r, int c) {
    const int channel = static_cast<int>(r % channels);
    const int first = channel < half ? -channel : -half;
    const int last = channel + half < channels ? half : channels - 1 - channel;
    const T* row = in + r * plane;
    T sum = 0;
    for (int j = first; j <= last; ++j) sum += term(row[int64_t{j} * plane + c]);
    out[r * plane + c] = start + weight * sum;
  });
}

// The same over a square within the channel.
template <class T, class Term>
void SumWithin(const Context& ctx, const LrnSizes& s, Term term, const T* in, T start, T weight,
               T* out) {
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
      for (int j = left; j <= right; ++j) sum += term(at[int64_t{i} * width + j]);
    }
    out[r * width + c] = start + weight * sum;
  });
}

template <class T, class Pow>
void Normalize(const Context& ctx, int64_t count, Pow pow, const T* x, const T* scale, T* y) {
  ForEach(ctx, count, [=] HD(int64_t i) { y[i] = x[i] * pow(scale[i]); });
}

// What neighbours add: dy x s^(-beta - 1).
template <class T, class Pow>
void Ratios(const Context& ctx, int64_t count, Pow pow, const T* x, const T* scale, const T* dy,
            T* ratio) {
  ForEach(ctx, count, [=] HD(int64_t i) {
    const T s = scale[i];
    ratio[i] = dy[i] * x[i] * pow(s) / s;
  });
}

// dx holds the sums of the ratios before.
template <class T, class Pow>
void Finish(const Context& ctx, int64_t count, Pow pow, const T* x, const T* scale, const T* dy,
            T factor, T* dx) {
  ForEach(ctx, count, [=] HD(int64_t i) {
    dx[i] = dy[i] * pow(scale[i]) - factor * x[i] * dx[i];
  });
}

struct LrnOptions {
  bool within = false;
  float k = 1, alpha_over_n = 1, beta = 0.75f;
};

template <class T, class Term>
void Sum(const Context& ctx, const LrnSizes& s, bool within, Term term, const T* in, T start,
         T weight, T* out) {
  if (within) {
    SumWithin(ctx, s, term, in, start, weight, out);
  } else {
    SumAcross(ctx, s, term, in, start, weight, out);
  }
}

template <class T>
void LrnForward(const Context& ctx, const LrnSizes& s, const LrnOptions& o, int64_t count,
                const T* x, T* scale, T* y) {
  Sum<T>(ctx, s, o.within, Square<T>(), x, o.k, o.alpha_over_n, scale);
  if (o.beta == 0.75f) {
    Normalize(ctx, count, PowThreeQuarters<T>(), x, scale, y);
  } else {
    Normalize(ctx, count, PowAny<T>{o.beta}, x, scale, y);
  }
}

template <class T, class Pow>
void LrnBackward(const Context& ctx, const LrnSizes& s, const LrnOptions& o, Pow pow,
                 int64_t count, const T* x, const T* scale, const T* dy, T* ratio, T* dx) {
  Ratios(ctx, count, pow, x, scale, dy, ratio);
  Sum<T>(ctx, s, o.within, Identity<T>(), ratio, 0, 1, dx);
  Finish<T>(ctx, count, pow, x, scale, dy, 2 * T(o.alpha_over_n) * T(o.beta), dx);
}

class LrnLayer : public Layer {
 public:
  LrnLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::LRNParameter& p = config.lrn_param();
    RequireEngine(p.engine(), Title());
    if (p.local_size() % 2 == 0 || p.local_size() > (1u << 24)) {
      Fail("local_size is ", p.local_size(), ", but must be odd");
    }
    const float size = static_cast<float>(p.local_size());
    sizes_.half = static_cast<int>(p.local_size() / 2);
    options_.within = p.norm_region() == proto::LRNParameter::WITHIN_CHANNEL;
    options_.k = options_.within ? 1 : p.k();
    options_.alpha_over_n = p.alpha() / (options_.within ? size * size : size);
    options_.beta = p.beta();
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.backward_needs_top_data = false;
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType dtype) override {
    const Shape& bottom = bottoms[0];
    if (bottom.rank() != 4) {
      Fail("the input ", bottom.ToString(), " has ", bottom.rank(),
           " axes, but must have 4 (N, C, H, W)");
    }
    if (bottom.CountFrom(2) > (int64_t{1} << 30) || bottom[1] > (int64_t{1} << 30)) {
      Fail("the images of the input ", bottom.ToString(), " are too large");
    }
    sizes_.images = bottom[0];
    sizes_.channels = static_cast<int>(bottom[1]);
    sizes_.height = static_cast<int>(bottom[2]);
    sizes_.width = static_cast<int>(bottom[3]);
    LayerPlan plan;
    plan.tops = {bottom};
    plan.state.push_back({bottom, std::nullopt});
    plan.scratch_bytes = static_cast<size_t>(bottom.count()) * SizeOf(dtype);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T,
                         LrnForward<T>(ctx, sizes_, options_, bottom[0]->count(),
                                       bottom[0]->data<T>(), state(0).mutable_data<T>(),
                                       top[0]->mutable_data<T>()));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      if (options_.beta == 0.75f) {
        RunBackward<T>(ctx, PowThreeQuarters<T>(), *top[0], *bottom[0]);
      } else {
        RunBackward<T>(ctx, PowAny<T>{options_.beta}, *top[0], *bottom[0]);
      }
    });
  }

 private:
  template <class T, class Pow>
  void RunBackward(Context& ctx, Pow pow, const Blob& top, const Blob& bottom) const {
    T* ratio = static_cast<T*>(ctx.Scratch(bottom.count() * sizeof(T)));
    LrnBackward<T>(ctx, sizes_, options_, pow, bottom.count(), bottom.data<T>(),
                   state(0).data<T>(), top.diff<T>(), ratio, bottom.mutable_diff<T>());
  }

  LrnSizes sizes_;
  LrnOptions options_;
};

CREMA_REGISTER_LAYER("LRN", LrnLayer);

}  // namespace
}  // namespace crema
