// TransposeEach on CUDA: neighbouring threads write neighbouring numbers.
#include "crema/dev/for_each.h"
#include "crema/dev/transpose.h"

namespace crema {
inline namespace CREMA_TARGET {
namespace {

template <class T>
void Gather(const Context& ctx, int64_t matrices, int rows, int columns, const T* in, T* out) {
  const int64_t height = rows, width = columns;
  ForEach(ctx, matrices * width, rows, [=] HD(int64_t line, int r) {
    out[line * height + r] = in[(line / width * height + r) * width + line % width];
  });
}

}  // namespace

template <class T>
void TransposeEach(const Context& ctx, int64_t matrices, int rows, int columns, const T* in,
                   T* out) {
  Gather(ctx, matrices, rows, columns, in, out);
}

template void TransposeEach<float>(const Context&, int64_t, int, int, const float*, float*);
template void TransposeEach<double>(const Context&, int64_t, int, int, const double*, double*);
template void TransposeEach<int32_t>(const Context&, int64_t, int, int, const int32_t*, int32_t*);

}  // namespace CREMA_TARGET
}  // namespace crema
