// TransposeEach on the fake GPU: the definition, element by element.
#include "crema/dev/transpose.h"

#include "device/fake.h"

namespace crema {
inline namespace CREMA_TARGET {

template <class T>
void TransposeEach(const Context& ctx, int64_t matrices, int rows, int columns, const T* in,
                   T* out) {
  LaunchOnFake(ctx.device(), [=] {
    for (int64_t m = 0; m < matrices; ++m) {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < columns; ++c) {
          out[(m * columns + c) * rows + r] = in[(m * rows + r) * columns + c];
        }
      }
    }
  });
}

template void TransposeEach<float>(const Context&, int64_t, int, int, const float*, float*);
template void TransposeEach<double>(const Context&, int64_t, int, int, const double*, double*);
template void TransposeEach<int32_t>(const Context&, int64_t, int, int, const int32_t*, int32_t*);

}  // namespace CREMA_TARGET
}  // namespace crema
