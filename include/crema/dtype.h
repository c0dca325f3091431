// The number types of tensors. They are chosen at run time; kernels are instantiated for each.
#pragma once

#include <cstddef>
#include <cstdint>

namespace crema {

// IEEE numbers of 32 and 64 bits, which nets compute with, and 32-bit integers for indices.
enum class DType { kFloat32, kFloat64, kInt32 };

size_t SizeOf(DType dtype);         // bytes per element
const char* ToString(DType dtype);  // "float32"

// Whether it can hold a gradient.
inline bool IsFloat(DType dtype) { return dtype == DType::kFloat32 || dtype == DType::kFloat64; }

// DTypeOf<T>::value is the DType of the C++ type T. Other types do not compile.
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kFloat32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kFloat64;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::kInt32;
};

}  // namespace crema

// Runs the statement with T standing for the C++ type of a floating-point dtype, as in
//   CREMA_FLOAT_DISPATCH(dtype, T, ReluForward<T>(ctx, x, y, slope));
#define CREMA_FLOAT_DISPATCH(dtype, T, ...)                               \
  do {                                                                    \
    switch (dtype) {                                                      \
      case ::crema::DType::kFloat32: {                                    \
        using T = float;                                                  \
        __VA_ARGS__;                                                      \
        break;                                                            \
      }                                                                   \
      case ::crema::DType::kFloat64: {                                    \
        using T = double;                                                 \
        __VA_ARGS__;                                                      \
        break;                                                            \
      }                                                                   \
      default: ::crema::Fail("no kernel for ", ::crema::ToString(dtype)); \
    }                                                                     \
  } while (false)
