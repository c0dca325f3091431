// The part of oneDNN's interface that its versions 2 and 3 write differently. The build takes
// primitives_v2.cpp or primitives_v3.cpp.
#pragma once

#include <dnnl.hpp>
#include <string>

namespace crema::onednn {

// Lists have one number a spatial axis; a dilation of 0 is none. A bias without axes: there is
// none.
struct ConvolutionDesc {
  dnnl::memory::desc src, weights, bias, dst;
  dnnl::memory::dims strides, dilations, pad_left, pad_right;
  dnnl::algorithm algorithm = dnnl::algorithm::convolution_direct;
  bool inference = false;  // weights may be kept in an order that only the forward pass knows
};

// Matrices; those of an inner product are transposed weights, those of a product are not. A bias
// without axes: there is none.
struct InnerProductDesc {
  dnnl::memory::desc src, weights, bias, dst;
};

struct PoolingDesc {
  dnnl::algorithm algorithm;
  dnnl::memory::desc src, dst;
  dnnl::memory::dims strides, kernel, pad_left, pad_right;
};

// Across channels.
struct LrnDesc {
  dnnl::memory::desc data;
  int size = 5;
  float alpha = 1, beta = 0.75f, k = 1;
};

// The CPU.
const dnnl::engine& Cpu();

// Adds max(x, 0) + slope * min(x, 0).
void AppendRelu(float slope, dnnl::post_ops* operations);

// `make` describes a convolution. Of a depthwise one oneDNN's next kernel, where it is the one that
// is meant, takes a quarter less time than the first. What `make` refers to has to be there for as
// long: oneDNN 2 reads it again.
template <class Make>
dnnl::convolution_forward::primitive_desc QuickerIfDepthwise(const Make& make) {
  const auto begins = [](const std::string& name, const char* start) {
    return name.rfind(start, 0) == 0;
  };
  const dnnl::convolution_forward::primitive_desc first = make();
  if (!first || !begins(first.impl_info_str(), "brdgmm_dw")) return first;
  dnnl::convolution_forward::primitive_desc next = make();
  return next.next_impl() && begins(next.impl_info_str(), "jit_dw") ? next : first;
}

// Descriptions of primitives that take their scratchpad from the caller. Each is empty (false)
// where oneDNN has no kernel for it; throws dnnl::error where it makes no sense.
dnnl::convolution_forward::primitive_desc ConvolutionForward(const ConvolutionDesc& desc,
                                                             const dnnl::primitive_attr& attr);
dnnl::convolution_backward_data::primitive_desc ConvolutionBackwardData(
    const ConvolutionDesc& desc, const dnnl::primitive_attr& attr,
    const dnnl::convolution_forward::primitive_desc& forward);
dnnl::convolution_backward_weights::primitive_desc ConvolutionBackwardWeights(
    const ConvolutionDesc& desc, const dnnl::primitive_attr& attr,
    const dnnl::convolution_forward::primitive_desc& forward);

dnnl::inner_product_forward::primitive_desc InnerProductForward(const InnerProductDesc& desc,
                                                                bool training,
                                                                const dnnl::primitive_attr& attr);
dnnl::matmul::primitive_desc Product(const InnerProductDesc& desc,
                                     const dnnl::primitive_attr& attr);
dnnl::inner_product_backward_data::primitive_desc InnerProductBackwardData(
    const InnerProductDesc& desc, const dnnl::primitive_attr& attr,
    const dnnl::inner_product_forward::primitive_desc& forward);
dnnl::inner_product_backward_weights::primitive_desc InnerProductBackwardWeights(
    const InnerProductDesc& desc, const dnnl::primitive_attr& attr,
    const dnnl::inner_product_forward::primitive_desc& forward);

// `training`: with a workspace for the backward pass.
dnnl::pooling_forward::primitive_desc PoolingForward(const PoolingDesc& desc, bool training,
                                                     const dnnl::primitive_attr& attr);
dnnl::pooling_backward::primitive_desc PoolingBackward(
    const PoolingDesc& desc, const dnnl::primitive_attr& attr,
    const dnnl::pooling_forward::primitive_desc& forward);

dnnl::lrn_forward::primitive_desc LrnForward(const LrnDesc& desc, bool training,
                                             const dnnl::primitive_attr& attr);
dnnl::lrn_backward::primitive_desc LrnBackward(const LrnDesc& desc,
                                               const dnnl::primitive_attr& attr,
                                               const dnnl::lrn_forward::primitive_desc& forward);

}  // namespace crema::onednn
