// Pooling: the largest value, the mean, or a value drawn at random, of each window of each
// channel. STOCHASTIC: Zeiler and Fergus, "Stochastic pooling for regularization of deep
// convolutional neural networks", 2013.
#include <algorithm>
#include <limits>

#include "crema.pb.h"
#include "crema/layer/registry.h"
#include "crema/math/for_each.h"
#include "crema/math/philox.h"
#include "layers/shared/engine.h"

namespace crema {
namespace {

// The windows along one axis, in pixels.
struct PoolAxis {
  int in = 1, out = 1, kernel = 1, stride = 1, pad = 0;
};

// The pixels first <= i < last.
struct PoolRange {
  int first, last;
};

// A window's part inside of the image; empty where it begins behind the image.
HD inline PoolRange Window(const PoolAxis& a, int window) {
  const int first = window * a.stride - a.pad, last = first + a.kernel;
  return {first > 0 ? first : 0, last < a.in ? last : a.in};
}

// A window's extent within the padded image; at least 1, so that empty windows divide by it.
HD inline int PaddedExtent(const PoolAxis& a, int window) {
  const int first = window * a.stride - a.pad, last = first + a.kernel;
  const int extent = (last < a.in + a.pad ? last : a.in + a.pad) - first;
  return extent > 1 ? extent : 1;
}

// The windows that cover a pixel.
HD inline PoolRange Covering(const PoolAxis& a, int pixel) {
  const int at = pixel + a.pad;
  const int first = at < a.kernel ? 0 : (at - a.kernel) / a.stride + 1, last = at / a.stride + 1;
  return {first, last < a.out ? last : a.out};
}

struct PoolSizes {
  int64_t planes = 0;  // images x channels
  PoolAxis h, w;
};

// The output columns whose windows lie whole inside of the image: first <= c < last.
PoolRange WholeColumns(const PoolAxis& a) {
  const int first = (a.pad + a.stride - 1) / a.stride;
  const int room = a.in + a.pad - a.kernel;
  const int last = room < 0 ? 0 : std::min(a.out, room / a.stride + 1);
  return {std::min(first, a.out), std::max(std::min(first, a.out), last)};
}

// Columns [0, whole.first) and [whole.last, cols) are counted through by 0 <= c < BorderCount.
int BorderCount(int cols, PoolRange whole) { return cols - (whole.last - whole.first); }
HD inline int BorderColumn(PoolRange whole, int c) {
  return c < whole.first ? c : c + (whole.last - whole.first);
}

// In windows that are whole along w. The rows that a window misses along h are replaced by the
// nearest one that it has, which changes neither the maximum nor which pixel is the first to have
// it, so the loops have fixed limits. Not for kernel < stride, where a window may be empty.
template <int kKernel, int kStride, class T>
void MaxForwardWhole(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* x, T* y,
                     int32_t* mask) {
  const PoolAxis h = s.h, w = s.w;
  const int start = whole.first * kStride - w.pad;
  const T lowest = std::numeric_limits<T>::lowest();
  ForEach(ctx, s.planes * h.out, whole.last - whole.first, [=] HD(int64_t r, int c) {
    const int64_t plane = r / h.out;
    const int row = static_cast<int>(r % h.out) * kStride - h.pad;
    const T* in = x + plane * h.in * w.in;
    const int left = start + c * kStride;
    T best = lowest;
    for (int i = 0; i < kKernel; ++i) {
      const int near = row + i > 0 ? row + i : 0, line = near < h.in ? near : h.in - 1;
      for (int j = 0; j < kKernel; ++j) {
        const T v = in[line * w.in + left + j];
        best = v > best ? v : best;
      }
    }
    // In a pass of its own, which vectorises; backwards, so that the first of equal values stays.
    int32_t best_at = (row > 0 ? row : 0) * w.in + left;
    for (int i = kKernel - 1; i >= 0; --i) {
      const int near = row + i > 0 ? row + i : 0, line = near < h.in ? near : h.in - 1;
      for (int j = kKernel - 1; j >= 0; --j) {
        const int32_t at = line * w.in + left + j;
        best_at = in[at] == best ? at : best_at;
      }
    }
    y[r * w.out + whole.first + c] = best;
    mask[r * w.out + whole.first + c] = best_at;
  });
}

// The columns beside `whole`. The first of equal values wins. An empty window gives 0.
template <class T>
void MaxForwardAny(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* x, T* y,
                   int32_t* mask) {
  const PoolAxis h = s.h, w = s.w;
  const T lowest = std::numeric_limits<T>::lowest();
  ForEach(ctx, s.planes * h.out, BorderCount(w.out, whole), [=] HD(int64_t r, int c) {
    const int column = BorderColumn(whole, c);
    const PoolRange rows = Window(h, static_cast<int>(r % h.out)), cols = Window(w, column);
    const T* in = x + r / h.out * h.in * w.in;
    const bool empty = rows.first >= rows.last || cols.first >= cols.last;
    int32_t best_at = empty ? -1 : rows.first * w.in + cols.first;
    T best = empty ? T(0) : lowest;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        const T v = in[i * w.in + j];
        if (v > best) {
          best = v;
          best_at = i * w.in + j;
        }
      }
    }
    y[r * w.out + column] = best;
    mask[r * w.out + column] = best_at;
  });
}

template <class T>
void AverageForwardAny(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* x, T* y) {
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.out, BorderCount(w.out, whole), [=] HD(int64_t r, int c) {
    const int column = BorderColumn(whole, c), row = static_cast<int>(r % h.out);
    const PoolRange rows = Window(h, row), cols = Window(w, column);
    const T* in = x + r / h.out * h.in * w.in;
    T sum = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) sum += in[i * w.in + j];
    }
    y[r * w.out + column] = sum / (PaddedExtent(h, row) * PaddedExtent(w, column));
  });
}

// In windows that are whole along w; the rows that a window misses along h count as 0.
template <int kKernel, int kStride, class T>
void AverageForwardWhole(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* x,
                         T* y) {
  const PoolAxis h = s.h, w = s.w;
  const int start = whole.first * kStride - w.pad;
  ForEach(ctx, s.planes * h.out, whole.last - whole.first, [=] HD(int64_t r, int c) {
    const int row = static_cast<int>(r % h.out) * kStride - h.pad;
    const T* in = x + r / h.out * h.in * w.in + start + c * kStride;
    const T size = static_cast<T>(PaddedExtent(h, static_cast<int>(r % h.out)) * kKernel);
    T sum = 0;
    for (int i = 0; i < kKernel; ++i) {
      const int near = row + i > 0 ? row + i : 0, line = near < h.in ? near : h.in - 1;
      const bool inside = line == row + i;
      for (int j = 0; j < kKernel; ++j) sum += inside ? in[line * w.in + j] : T(0);
    }
    y[r * w.out + whole.first + c] = sum / size;
  });
}

// Draws a pixel with a probability in proportion to its value.
template <class T>
void StochasticTrain(const Context& ctx, const PoolSizes& s, uint64_t mixed, const T* x, T* y,
                     int32_t* mask) {
  const PoolAxis h = s.h, w = s.w;
  const uint64_t* step = ctx.device_step();
  ForEach(ctx, s.planes * h.out, w.out, [=] HD(int64_t r, int c) {
    const PoolRange rows = Window(h, static_cast<int>(r % h.out)), cols = Window(w, c);
    const T* in = x + r / h.out * h.in * w.in;
    T sum = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) sum += in[i * w.in + j];
    }
    const int64_t out = r * w.out + c;
    const T threshold = RandomUniform(mixed, *step, static_cast<uint64_t>(out)) * sum;
    T reached = 0;
    int32_t at = -1;
    bool found = false;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        reached += in[i * w.in + j];
        at = found ? at : i * w.in + j;
        found = found || reached > threshold;
      }
    }
    y[out] = at < 0 ? T(0) : in[at];
    mask[out] = at;
  });
}

// What StochasticTrain gives on average.
template <class T>
void StochasticTest(const Context& ctx, const PoolSizes& s, const T* x, T* y) {
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.out, w.out, [=] HD(int64_t r, int c) {
    const PoolRange rows = Window(h, static_cast<int>(r % h.out)), cols = Window(w, c);
    const T* in = x + r / h.out * h.in * w.in;
    T sum = 0, squares = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        const T v = in[i * w.in + j];
        sum += v;
        squares += v * v;
      }
    }
    y[r * w.out + c] = sum > 0 ? squares / sum : T(0);
  });
}

// Backward, each pixel gathers from the windows that cover it. Where kernel and stride are known,
// the pixels of a row are taken `stride` at a time: with b = pixel + pad over stride, only the
// windows b, b - 1 ... b - (kTouched - 1) can cover them, so that all loops have fixed limits.
// Blocks are whole where all these pixels and windows exist; `whole` counts them.
template <int kKernel, int kStride>
constexpr int kTouched = (kKernel + kStride - 1) / kStride;

template <int kKernel, int kStride>
PoolRange WholeBlocks(const PoolAxis& a) {
  const int first = std::max(kTouched<kKernel, kStride> - 1, (a.pad + a.stride - 1) / a.stride);
  return {first, std::max(first, std::min(a.out, (a.in + a.pad) / a.stride))};
}

// The pixels of whole blocks.
PoolRange BlockPixels(const PoolAxis& a, PoolRange whole) {
  if (whole.first == whole.last) return {0, 0};
  return {whole.first * a.stride - a.pad, whole.last * a.stride - a.pad};
}

template <int kKernel, int kStride, class T>
void MaskBackwardWhole(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* dy,
                       const int32_t* mask, T* dx) {
  constexpr int kWindows = kTouched<kKernel, kStride>;
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.in, whole.last - whole.first, [=] HD(int64_t r, int c) {
    const int row = static_cast<int>(r % h.in), block = whole.first + c;
    const int left = block * kStride - w.pad;
    T sum[kStride] = {};
    for (int i = kWindows - 1; i >= 0; --i) {
      const int line = (row + h.pad) / kStride - i;
      const bool exists = line >= 0 && line < h.out;
      // No window has taken pixel -2.
      const int32_t at = exists ? row * w.in + left : -2 - kStride;
      const int64_t first = (r / h.in * h.out + (exists ? line : 0)) * w.out + block;
      for (int j = kWindows - 1; j >= 0; --j) {
        const int32_t taken = mask[first - j];
        const T gradient = dy[first - j];
        for (int p = 0; p < kStride; ++p) sum[p] += taken == at + p ? gradient : T(0);
      }
    }
    for (int p = 0; p < kStride; ++p) dx[r * w.in + left + p] = sum[p];
  });
}

template <class T>
void MaskBackwardAny(const Context& ctx, const PoolSizes& s, PoolRange done, const T* dy,
                     const int32_t* mask, T* dx) {
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.in, BorderCount(w.in, done), [=] HD(int64_t r, int c) {
    const int row = static_cast<int>(r % h.in), column = BorderColumn(done, c);
    const int64_t plane = r / h.in * h.out * w.out;
    const PoolRange rows = Covering(h, row), cols = Covering(w, column);
    T sum = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        const int64_t window = plane + i * w.out + j;
        if (mask[window] == row * w.in + column) sum += dy[window];
      }
    }
    dx[r * w.in + column] = sum;
  });
}

template <int kKernel, int kStride, class T>
void AverageBackwardWhole(const Context& ctx, const PoolSizes& s, PoolRange whole, const T* dy,
                          T* dx) {
  constexpr int kWindows = kTouched<kKernel, kStride>;
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.in, whole.last - whole.first, [=] HD(int64_t r, int c) {
    const int at = static_cast<int>(r % h.in) + h.pad, block = whole.first + c;
    const int left = block * kStride - w.pad;
    T sum[kStride] = {};
    for (int i = kWindows - 1; i >= 0; --i) {
      const int line = at / kStride - i;
      const bool covers = line >= 0 && line < h.out && at - line * kStride < kKernel;
      const int64_t first = (r / h.in * h.out + (covers ? line : 0)) * w.out + block;
      const int height = PaddedExtent(h, line);
      for (int j = kWindows - 1; j >= 0; --j) {
        const T share = dy[first - j] / static_cast<T>(height * PaddedExtent(w, block - j));
        for (int p = 0; p < kStride; ++p) {
          sum[p] += covers && j * kStride + p < kKernel ? share : T(0);
        }
      }
    }
    for (int p = 0; p < kStride; ++p) dx[r * w.in + left + p] = sum[p];
  });
}

template <class T>
void AverageBackwardAny(const Context& ctx, const PoolSizes& s, PoolRange done, const T* dy,
                        T* dx) {
  const PoolAxis h = s.h, w = s.w;
  ForEach(ctx, s.planes * h.in, BorderCount(w.in, done), [=] HD(int64_t r, int c) {
    const int column = BorderColumn(done, c);
    const int64_t plane = r / h.in * h.out * w.out;
    const PoolRange rows = Covering(h, static_cast<int>(r % h.in)), cols = Covering(w, column);
    T sum = 0;
    for (int i = rows.first; i < rows.last; ++i) {
      for (int j = cols.first; j < cols.last; ++j) {
        sum += dy[plane + i * w.out + j] / (PaddedExtent(h, i) * PaddedExtent(w, j));
      }
    }
    dx[r * w.in + column] = sum;
  });
}

template <class T>
void MaskToTop(const Context& ctx, int64_t count, const int32_t* mask, T* top) {
  ForEach(ctx, count, [=] HD(int64_t i) { top[i] = static_cast<T>(mask[i]); });
}

// Where the windows are square and common, runs the statement with their kKernel and kStride; else
// does nothing.
#define CREMA_POOL_DISPATCH(sizes, ...)                        \
  do {                                                         \
    const int common = CommonWindow(sizes);                    \
    if (common == 22) {                                        \
      constexpr int kKernel = 2, kStride = 2;                  \
      __VA_ARGS__;                                             \
    } else if (common == 32) {                                 \
      constexpr int kKernel = 3, kStride = 2;                  \
      __VA_ARGS__;                                             \
    } else if (common == 31) {                                 \
      constexpr int kKernel = 3, kStride = 1;                  \
      __VA_ARGS__;                                             \
    }                                                          \
  } while (false)

// Kernel and stride as a two-digit number, or 0.
int CommonWindow(const PoolSizes& s) {
  if (s.h.kernel != s.w.kernel || s.h.stride != s.w.stride) return 0;
  if (s.h.kernel > 3 || s.h.stride > 2) return 0;
  return s.h.kernel * 10 + s.h.stride;
}

template <class T>
void MaxForward(const Context& ctx, const PoolSizes& s, const T* x, T* y, int32_t* mask) {
  PoolRange whole{0, 0};
  CREMA_POOL_DISPATCH(s, {
    whole = WholeColumns(s.w);
    MaxForwardWhole<kKernel, kStride>(ctx, s, whole, x, y, mask);
  });
  MaxForwardAny(ctx, s, whole, x, y, mask);
}

template <class T>
void AverageForward(const Context& ctx, const PoolSizes& s, const T* x, T* y) {
  PoolRange whole{0, 0};
  CREMA_POOL_DISPATCH(s, {
    whole = WholeColumns(s.w);
    AverageForwardWhole<kKernel, kStride>(ctx, s, whole, x, y);
  });
  AverageForwardAny(ctx, s, whole, x, y);
}

template <class T>
void MaskBackward(const Context& ctx, const PoolSizes& s, const T* dy, const int32_t* mask, T* dx) {
  PoolRange whole{0, 0};
  CREMA_POOL_DISPATCH(s, {
    whole = WholeBlocks<kKernel, kStride>(s.w);
    MaskBackwardWhole<kKernel, kStride>(ctx, s, whole, dy, mask, dx);
  });
  MaskBackwardAny(ctx, s, BlockPixels(s.w, whole), dy, mask, dx);
}

template <class T>
void AverageBackward(const Context& ctx, const PoolSizes& s, const T* dy, T* dx) {
  PoolRange whole{0, 0};
  CREMA_POOL_DISPATCH(s, {
    whole = WholeBlocks<kKernel, kStride>(s.w);
    AverageBackwardWhole<kKernel, kStride>(ctx, s, whole, dy, dx);
  });
  AverageBackwardAny(ctx, s, BlockPixels(s.w, whole), dy, dx);
}

// The number of windows along an axis; below 1 where none fits.
int CountWindows(const PoolAxis& a, bool round_up) {
  const int64_t room = int64_t{a.in} + 2 * a.pad - a.kernel;
  int64_t steps = room / a.stride;
  const int64_t rest = room - steps * a.stride;  // has the sign of room
  if (round_up && rest > 0) ++steps;
  if (!round_up && rest < 0) --steps;
  // With padding, the last window must begin within the image or the padding before it.
  if (a.pad > 0 && steps * a.stride >= a.in + a.pad) --steps;
  return static_cast<int>(steps + 1);
}

class PoolingLayer : public Layer {
 public:
  PoolingLayer(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    RequireEngine(options().engine(), Title());
    const proto::PoolingParameter& p = options();
    if (p.global_pooling()) {
      if (p.has_kernel_size() || p.has_kernel_h() || p.has_kernel_w()) {
        Fail("global_pooling takes the whole image as its window; leave the kernel size out");
      }
    } else if (p.has_kernel_size() == (p.has_kernel_h() && p.has_kernel_w())) {
      Fail("give either kernel_size, or both kernel_h and kernel_w");
    }
    CheckPair("pad", p.has_pad(), p.has_pad_h(), p.has_pad_w());
    CheckPair("stride", p.has_stride(), p.has_stride_h(), p.has_stride_w());
    ReadAxis(p.has_kernel_size() ? p.kernel_size() : p.kernel_h(),
             p.has_stride_h() ? p.stride_h() : p.stride(), p.has_pad_h() ? p.pad_h() : p.pad(),
             &sizes_.h);
    ReadAxis(p.has_kernel_size() ? p.kernel_size() : p.kernel_w(),
             p.has_stride_h() ? p.stride_w() : p.stride(), p.has_pad_h() ? p.pad_w() : p.pad(),
             &sizes_.w);
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.max_tops = options().pool() == proto::PoolingParameter::MAX ? 2 : 1;
    traits.backward_needs_bottom_data = false;
    traits.backward_needs_top_data = false;
    traits.has_backward = options().pool() != proto::PoolingParameter::STOCHASTIC || HasMask();
    return traits;
  }

  LayerPlan Plan(const std::vector<Shape>& bottoms, DType) override {
    const Shape& bottom = bottoms[0];
    if (bottom.rank() != 4) {
      Fail("the input ", bottom.ToString(), " has ", bottom.rank(),
           " axes, but must have 4 (N, C, H, W)");
    }
    // Positions within a plane are counted in 32 bits.
    if (bottom[2] < 1 || bottom[3] < 1 || bottom.CountFrom(2) > (int64_t{1} << 30)) {
      Fail("the images of the input ", bottom.ToString(), " are empty or too large");
    }
    sizes_.planes = bottom.Count(0, 2);
    SetImage(bottom[2], &sizes_.h);
    SetImage(bottom[3], &sizes_.w);
    if (sizes_.h.out < 1 || sizes_.w.out < 1) {
      Fail("no window of ", sizes_.h.kernel, " x ", sizes_.w.kernel, " fits into the input ",
           bottom.ToString(), "; use a larger input or a smaller kernel_size");
    }
    const Shape top{bottom[0], bottom[1], sizes_.h.out, sizes_.w.out};
    LayerPlan plan;
    plan.tops.assign(std::max(1, config().top_size()), top);
    if (HasMask()) plan.state.push_back({top, DType::kInt32});
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    CREMA_FLOAT_DISPATCH(bottom[0]->dtype(), T, Run<T>(ctx, bottom, top));
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    if (!traits().has_backward) Fail("pool: STOCHASTIC has a gradient in phase TRAIN only");
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* dy = top[0]->diff<T>();
      T* dx = bottom[0]->mutable_diff<T>();
      if (HasMask()) {
        const int32_t* mask = state(0).data<int32_t>();
        MaskBackward(ctx, sizes_, dy, mask, dx);
      } else {
        AverageBackward(ctx, sizes_, dy, dx);
      }
    });
  }

 private:
  const proto::PoolingParameter& options() const { return config().pooling_param(); }

  // Whether forward notes which pixel each window took.
  bool HasMask() const {
    return options().pool() == proto::PoolingParameter::MAX ||
           (options().pool() == proto::PoolingParameter::STOCHASTIC && phase() == Phase::kTrain);
  }

  void CheckPair(const char* field, bool once, bool h, bool w) const {
    if (!((!once && h && w) || (!h && !w))) {
      Fail("give either ", field, ", or both ", field, "_h and ", field, "_w");
    }
  }

  void ReadAxis(uint32_t kernel, uint32_t stride, uint32_t pad, PoolAxis* a) const {
    constexpr uint32_t kMost = 1u << 24;
    const bool global = options().global_pooling();
    if (stride < 1 || stride > kMost) Fail("stride is ", stride, ", but must be at least 1");
    if (global && (pad != 0 || stride != 1)) {
      Fail("global_pooling takes the whole image as its window; leave pad and stride out");
    }
    if (!global && (kernel < 1 || kernel > kMost)) {
      Fail("kernel_size is ", kernel, ", but must be at least 1");
    }
    if (pad > 0 && options().pool() == proto::PoolingParameter::STOCHASTIC) {
      Fail("pool: STOCHASTIC takes no padding, but pad is ", pad);
    }
    if (!global && pad >= kernel) {
      Fail("pad is ", pad, ", but must be below the kernel's size ", kernel);
    }
    a->kernel = static_cast<int>(kernel);
    a->stride = static_cast<int>(stride);
    a->pad = static_cast<int>(pad);
  }

  void SetImage(int64_t in, PoolAxis* a) const {
    a->in = static_cast<int>(in);
    if (options().global_pooling()) a->kernel = a->in;
    a->out = CountWindows(*a, options().round_mode() == proto::PoolingParameter::CEIL);
  }

  template <class T>
  void Run(Context& ctx, const BlobList& bottom, const BlobList& top) {
    const T* x = bottom[0]->data<T>();
    T* y = top[0]->mutable_data<T>();
    int32_t* mask = HasMask() ? state(0).mutable_data<int32_t>() : nullptr;
    switch (options().pool()) {
      case proto::PoolingParameter::MAX:
        MaxForward(ctx, sizes_, x, y, mask);
        if (top.size() > 1) {
          MaskToTop(ctx, top[1]->count(), mask, top[1]->mutable_data<T>());
        }
        break;
      case proto::PoolingParameter::AVE: AverageForward(ctx, sizes_, x, y); break;
      case proto::PoolingParameter::STOCHASTIC:
        if (phase() == Phase::kTrain) {
          StochasticTrain(ctx, sizes_, MixKeys(ctx.seed(), random_key()), x, y, mask);
        } else {
          StochasticTest(ctx, sizes_, x, y);
        }
        break;
    }
  }

  PoolSizes sizes_;
};

CREMA_REGISTER_LAYER("Pooling", PoolingLayer);

}  // namespace
}  // namespace crema
