// The arithmetic of Convolution, which Deconvolution uses the other way round: as a product of the
// weights with the unfolded windows of each image (Chellapilla, Puri, Simard: "High performance
// convolutional neural networks for document processing", 2006).
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "base/counted.h"
#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/for_each.h"
#include "crema/dev/gemm.h"
#include "crema/dev/im2col.h"
#include "crema/dev/layer.h"
#include "crema/dev/reduce.h"
#include "crema/layout.h"
#include "layers/shared/vision/conv_setup.h"

namespace crema {
inline namespace CREMA_TARGET {

// The images of a batch are cut into tasks that threads share. How many follows from the sizes
// alone, so that sums over the batch do not depend on the number of threads. A GPU takes one image
// after the other, and so does the CPU if images are large; threads then share each of them.
constexpr int kMostTasks = CREMA_TARGET_DEVICE == DeviceKind::kCpu ? 16 : 1;
constexpr int kLeastTasks = 8;
constexpr size_t kMostColumnBytes = size_t{32} << 20;  // of all tasks together
constexpr size_t kMostPartialBytes = size_t{8} << 20;

inline int TaskCount(int64_t images, size_t bytes_each, size_t most_bytes) {
  for (int tasks = kMostTasks; tasks >= std::min(kLeastTasks, kMostTasks); tasks /= 2) {
    if (tasks * bytes_each <= most_bytes && images >= 4) {
      return static_cast<int>(std::min<int64_t>(tasks, images));
    }
  }
  return 1;
}

struct ConvSizes {
  ConvGeometry geometry;
  int64_t images = 0;
  int outputs = 0, groups = 1;
  int tasks = 1;         // for what images do alone
  int weight_tasks = 1;  // for the sum over images; each has its own partial sum
  bool pointwise = false;

  // The product of one group: (m x k) weights by (k x n) columns.
  int64_t m() const { return outputs / groups; }
  int64_t n() const { return geometry.OutCount(); }
  int64_t k() const { return geometry.ColumnRows() / groups; }

  int64_t BottomCount() const { return geometry.channels * geometry.InCount(); }
  int64_t TopCount() const { return outputs * n(); }
  int64_t WeightCount() const { return outputs * k(); }
  // Columns of one image, rounded up so that tasks share no cache line.
  int64_t ColumnCount() const {
    return pointwise ? 0 : (geometry.ColumnRows() * n() + 31) / 32 * 32;
  }
  int64_t PartialCount() const { return weight_tasks > 1 ? WeightCount() * weight_tasks : 0; }
  int64_t ScratchCount() const {
    return std::max(tasks, weight_tasks) * ColumnCount() + PartialCount();
  }
  int64_t FirstImage(int task, int task_count) const { return images * task / task_count; }
};

// `learns`: the gradient of the weights is wanted.
inline void ChooseTasks(ConvSizes* s, DType dtype, bool learns) {
  const size_t element = SizeOf(dtype);
  s->tasks = TaskCount(s->images, s->ColumnCount() * element, kMostColumnBytes);
  s->weight_tasks = 1;
  if (!learns) return;
  s->weight_tasks =
      std::min(s->tasks, TaskCount(s->images, s->WeightCount() * element, kMostPartialBytes));
}

template <class T>
void FillChannels(const Context& ctx, int channels, int64_t inner, const T* bias, T* y) {
  ForEach(ctx, channels, static_cast<int>(inner),
          [=] HD(int64_t c, int i) { y[c * inner + i] = bias[c]; });
}

// `bias` may be null.
template <class T>
void ForwardImage(const Context& ctx, const ConvSizes& s, const T* x, const T* weight,
                  const T* bias, T* columns, T* y) {
  const T* unfolded = x;
  if (!s.pointwise) {
    Im2col(ctx, s.geometry, x, columns);
    unfolded = columns;
  }
  const int64_t m = s.m(), n = s.n(), k = s.k();
  // The product adds to the bias that is there already.
  if (bias != nullptr) FillChannels(ctx, s.outputs, n, bias, y);
  for (int g = 0; g < s.groups; ++g) {
    Gemm<T>(ctx, Transpose::kNo, Transpose::kNo, m, n, k, 1, weight + g * m * k,
            unfolded + g * k * n, bias != nullptr ? 1 : 0, y + g * m * n);
  }
}

template <class T>
void ConvForward(Context& ctx, const ConvSizes& s, const T* x, const T* weight, const T* bias,
                 T* y) {
  T* scratch = static_cast<T*>(ctx.Scratch(s.ScratchCount() * sizeof(T)));
  ParallelTasks(ctx, s.tasks, [&](int task, int) {
    T* columns = scratch + task * s.ColumnCount();
    for (int64_t i = s.FirstImage(task, s.tasks); i < s.FirstImage(task + 1, s.tasks); ++i) {
      ForwardImage(ctx, s, x + i * s.BottomCount(), weight, bias, columns, y + i * s.TopCount());
    }
  });
}

// d_weight = beta * d_weight + the gradient from one image.
template <class T>
void WeightGradient(const Context& ctx, const ConvSizes& s, const T* x, const T* dy, T* columns,
                    T beta, T* d_weight) {
  const T* unfolded = x;
  if (!s.pointwise) {
    Im2col(ctx, s.geometry, x, columns);
    unfolded = columns;
  }
  const int64_t m = s.m(), n = s.n(), k = s.k();
  for (int g = 0; g < s.groups; ++g) {
    Gemm<T>(ctx, Transpose::kNo, Transpose::kYes, m, k, n, 1, dy + g * m * n, unfolded + g * k * n,
            beta, d_weight + g * m * k);
  }
}

template <class T>
void BottomGradient(const Context& ctx, const ConvSizes& s, const T* weight, const T* dy,
                    T* columns, T* dx) {
  T* unfolded = s.pointwise ? dx : columns;
  const int64_t m = s.m(), n = s.n(), k = s.k();
  for (int g = 0; g < s.groups; ++g) {
    Gemm<T>(ctx, Transpose::kYes, Transpose::kNo, k, n, m, 1, weight + g * m * k, dy + g * m * n, 0,
            unfolded + g * k * n);
  }
  if (!s.pointwise) Col2im(ctx, s.geometry, columns, dx);
}

// sum[i] += part 0 [i] + part 1 [i] + ...
template <class T>
void AddParts(const Context& ctx, int64_t count, int64_t parts, const T* part, T* sum) {
  ForEach(ctx, count, [=] HD(int64_t i) {
    T total = part[i];
    for (int64_t p = 1; p < parts; ++p) total += part[p * count + i];
    sum[i] += total;
  });
}

// What is not wanted of dx and d_weight is null.
template <class T>
struct ConvGradients {
  const T *x, *weight, *dy;
  T *dx, *d_weight;
};

template <class T>
void BackwardTasks(const Context& ctx, const ConvSizes& s, int tasks, const ConvGradients<T>& p,
                   T* scratch, T* partial) {
  ParallelTasks(ctx, tasks, [&](int task, int) {
    T* columns = scratch + task * s.ColumnCount();
    const int64_t first = s.FirstImage(task, tasks), last = s.FirstImage(task + 1, tasks);
    T* d_weight = partial == nullptr ? p.d_weight : partial + task * s.WeightCount();
    for (int64_t i = first; i < last; ++i) {
      const T* dy = p.dy + i * s.TopCount();
      if (d_weight != nullptr) {
        WeightGradient<T>(ctx, s, p.x + i * s.BottomCount(), dy, columns,
                          partial != nullptr && i == first ? 0 : 1, d_weight);
      }
      if (p.dx != nullptr) {
        BottomGradient(ctx, s, p.weight, dy, columns, p.dx + i * s.BottomCount());
      }
    }
  });
}

template <class T>
void ConvBackward(Context& ctx, const ConvSizes& s, ConvGradients<T> p) {
  if (s.images == 0) return;
  T* scratch = static_cast<T*>(ctx.Scratch(s.ScratchCount() * sizeof(T)));
  if (p.d_weight != nullptr && s.weight_tasks > 1) {
    T* partial = scratch + std::max(s.tasks, s.weight_tasks) * s.ColumnCount();
    BackwardTasks(ctx, s, s.weight_tasks, p, scratch, partial);
    AddParts(ctx, s.WeightCount(), s.weight_tasks, partial, p.d_weight);
    return;
  }
  ConvGradients<T> weight_only = p, bottom_only = p;
  weight_only.dx = nullptr;
  bottom_only.d_weight = nullptr;
  if (p.d_weight != nullptr) BackwardTasks<T>(ctx, s, 1, weight_only, scratch, nullptr);
  if (p.dx != nullptr) BackwardTasks<T>(ctx, s, s.tasks, bottom_only, scratch, nullptr);
}

// d_bias += the sum of dy over images and pixels.
template <class T>
void BiasGradient(const Context& ctx, const ChannelView& view, const T* dy, T* d_bias) {
  const int channels = view.channels, inner = view.inner;
  ReduceChannels<SumOp, T>(
      ctx, view, [=] HD(int64_t o, int c, int i) { return dy[(o * channels + c) * inner + i]; },
      [=] HD(int c, T total) { d_bias[c] += total; });
}

// What the layers have in common: options, and bottoms of one shape with a top each.
class ConvolutionBase : public Layer {
 public:
  ConvolutionBase(const proto::LayerParameter& config, Phase phase) : Layer(config, phase) {
    const proto::ConvolutionParameter& p = options();
    CheckGiven(Title() + ": num_output", p.has_num_output(), p.num_output(), 1, 1 << 24);
    CheckRange(Title() + ": group", p.group(), 1, p.num_output());
    if (p.num_output() % p.group() != 0) {
      Fail("num_output is ", p.num_output(), ", which is not divisible by group, ", p.group());
    }
    weight_filler_ = ToFillerSpec(p.weight_filler(), Title() + ": weight_filler");
    bias_filler_ = ToFillerSpec(p.bias_filler(), Title() + ": bias_filler");
  }

  LayerTraits traits() const override {
    LayerTraits traits = LayerTraits::PerSample();
    traits.max_bottoms = -1;
    traits.max_tops = -1;
    traits.backward_needs_bottom_data = learns_weights_;
    traits.backward_needs_top_data = false;
    traits.is_per_sample = config().convolution_param().axis() > 0;
    return traits;
  }

 protected:
  const proto::ConvolutionParameter& options() const { return config().convolution_param(); }

  void CheckBottoms(const std::vector<Shape>& bottoms) const {
    if (static_cast<int>(bottoms.size()) != config().top_size()) {
      Fail("has ", Counted(bottoms.size(), "bottom"), " and ", Counted(config().top_size(), "top"),
           "; each bottom needs its own top");
    }
    for (const Shape& shape : bottoms) {
      if (shape != bottoms[0]) {
        Fail("the bottoms must have the same shape, but have ", bottoms[0].ToString(), " and ",
             shape.ToString());
      }
    }
  }

  void CheckGroups(int64_t channels, const Shape& bottom) const {
    const int64_t groups = options().group();
    if (channels >= 1 && channels % groups == 0) return;
    Fail("the input ", bottom.ToString(), " has ", channels,
         " channels, which is not divisible by group, ", groups);
  }

  // Of a Convolution (a Deconvolution's channels are its outputs).
  ConvSizes ConvolutionSizes(const PlanInput& input, int axis) const {
    const Shape& bottom = input.shape(0);
    ConvSizes s;
    s.geometry = ReadWindow(options(), bottom.rank() - axis - 1, Title());
    SetImage(&s.geometry, bottom, axis, Title());
    CheckGroups(s.geometry.channels, bottom);
    s.images = bottom.Count(0, axis);
    s.outputs = static_cast<int>(options().num_output());
    s.groups = static_cast<int>(options().group());
    s.pointwise = s.geometry.IsPointwise();
    CheckProducts(s.geometry, s.outputs, Title());
    ChooseTasks(&s, input.dtype, input.WantsGradient(0));
    return s;
  }

  // Those of the convolution that goes from a Deconvolution's top to its bottom.
  ConvSizes DeconvolutionSizes(const PlanInput& input, int axis) const {
    const Shape& bottom = input.shape(0);
    ConvSizes s;
    ConvGeometry& g = s.geometry;
    g = ReadWindow(options(), bottom.rank() - axis - 1, Title());
    g.channels = static_cast<int>(options().num_output());
    for (int a = 0; a < g.axes; ++a) SetTopExtent(bottom, axis + 1 + a, a, &g);
    CheckGroups(bottom[axis], bottom);
    constexpr int kMost = std::numeric_limits<int>::max();
    CheckRange(Title() + ": the number of channels of the input " + bottom.ToString(), bottom[axis],
               1, kMost);
    s.images = bottom.Count(0, axis);
    s.outputs = static_cast<int>(bottom[axis]);
    s.groups = static_cast<int>(options().group());
    s.pointwise = g.IsPointwise();
    CheckProducts(g, s.outputs, Title());
    CheckRange(Title() + ": the number of values of all windows for an image of the input " +
                   bottom.ToString(),
               g.ColumnRows() * g.OutCount(), 0, kMost,
               "use a smaller kernel_size or smaller images");
    ChooseTasks(&s, input.dtype, input.WantsGradient(0));
    return s;
  }

  // Tops of `channels` and `spatial` extents for so many bottoms like `bottom`, the parameters, and
  // the scratch memory. From then on traits() tell what the gradients need.
  LayerPlan PlanFor(const PlanInput& input, size_t count, int axis, const int* spatial,
                    const ConvSizes& s) {
    const ConvGeometry& g = s.geometry;
    const Shape& bottom = input.shape(0);
    learns_weights_ = input.WantsGradient(0);
    learns_bias_ = options().bias_term() && input.WantsGradient(1);
    std::vector<int64_t> top(bottom.dims().begin(), bottom.dims().begin() + axis);
    top.push_back(options().num_output());
    top.insert(top.end(), spatial, spatial + g.axes);
    std::vector<int64_t> weight = {s.outputs, g.channels / s.groups};
    weight.insert(weight.end(), g.kernel, g.kernel + g.axes);
    LayerPlan plan;
    plan.tops.assign(count, Shape(top));
    plan.params.push_back({Shape(weight), weight_filler_});
    if (options().bias_term()) plan.params.push_back({Shape{options().num_output()}, bias_filler_});
    if (!params().empty() && params()[0]->shape() != plan.params[0].shape) {
      Fail("the input ", bottom.ToString(), " needs weights of shape ",
           plan.params[0].shape.ToString(), ", but the weights have shape ",
           params()[0]->shape().ToString());
    }
    plan.scratch_bytes = static_cast<size_t>(s.ScratchCount()) * SizeOf(input.dtype);
    return plan;
  }

  template <class T>
  const T* Bias() const {
    return params().size() > 1 ? param(1).template data<T>() : nullptr;
  }

  bool learns_weights_ = true, learns_bias_ = true;

 private:
  void SetTopExtent(const Shape& bottom, int axis, int a, ConvGeometry* g) const {
    const int64_t extent = int64_t{g->dilation[a]} * (g->kernel[a] - 1) + 1;
    const int64_t in = bottom[axis];
    // A longer one has a longer output, whatever the padding.
    CheckRange(
        Concat(Title(), ": the extent of the input ", bottom.ToString(), " along axis ", axis), in,
        1, 1 << 26);
    const int64_t out = g->stride[a] * (in - 1) + extent - 2 * int64_t{g->pad[a]};
    CheckRange(Concat(Title(), ": the extent of the output along axis ", axis, " for the input ",
                      bottom.ToString()),
               out, 1, 1 << 24, "change pad, kernel_size or stride");
    g->in[a] = static_cast<int>(out);
    g->out[a] = static_cast<int>(in);
  }

  FillerSpec weight_filler_, bias_filler_;
};

}  // namespace CREMA_TARGET
}  // namespace crema
