// oneDNN 3: a primitive is described in one step.
#include "engines/onednn/primitives.h"

namespace crema::onednn {

using dnnl::algorithm;
using dnnl::prop_kind;

void AppendRelu(float slope, dnnl::post_ops* operations) {
  operations->append_eltwise(algorithm::eltwise_relu, slope, 0.0f);
}

dnnl::convolution_forward::primitive_desc ConvolutionForward(const ConvolutionDesc& d,
                                                             const dnnl::primitive_attr& attr) {
  const auto kind = d.inference ? prop_kind::forward_inference : prop_kind::forward_training;
  return QuickerIfDepthwise([&] {
    return dnnl::convolution_forward::primitive_desc(Cpu(), kind, d.algorithm, d.src, d.weights,
                                                     d.bias, d.dst, d.strides, d.dilations,
                                                     d.pad_left, d.pad_right, attr, true);
  });
}

dnnl::convolution_backward_data::primitive_desc ConvolutionBackwardData(
    const ConvolutionDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::convolution_forward::primitive_desc& forward) {
  return {Cpu(),       d.algorithm, d.src,       d.weights, d.dst, d.strides,
          d.dilations, d.pad_left,  d.pad_right, forward,   attr,  true};
}

dnnl::convolution_backward_weights::primitive_desc ConvolutionBackwardWeights(
    const ConvolutionDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::convolution_forward::primitive_desc& forward) {
  return {Cpu(),       d.algorithm, d.src,       d.weights, d.bias, d.dst, d.strides,
          d.dilations, d.pad_left,  d.pad_right, forward,   attr,   true};
}

dnnl::inner_product_forward::primitive_desc InnerProductForward(const InnerProductDesc& d,
                                                                bool training,
                                                                const dnnl::primitive_attr& attr) {
  return {Cpu(),  training ? prop_kind::forward_training : prop_kind::forward_inference,
          d.src,  d.weights,
          d.bias, d.dst,
          attr,   true};
}

dnnl::matmul::primitive_desc Product(const InnerProductDesc& d, const dnnl::primitive_attr& attr) {
  return {Cpu(), d.src, d.weights, d.bias, d.dst, attr, true};
}

dnnl::inner_product_backward_data::primitive_desc InnerProductBackwardData(
    const InnerProductDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::inner_product_forward::primitive_desc& forward) {
  return {Cpu(), d.src, d.weights, d.dst, forward, attr, true};
}

dnnl::inner_product_backward_weights::primitive_desc InnerProductBackwardWeights(
    const InnerProductDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::inner_product_forward::primitive_desc& forward) {
  return {Cpu(), d.src, d.weights, d.bias, d.dst, forward, attr, true};
}

dnnl::pooling_forward::primitive_desc PoolingForward(const PoolingDesc& d, bool training,
                                                     const dnnl::primitive_attr& attr) {
  const dnnl::memory::dims no_dilation(d.kernel.size(), 0);
  return {Cpu(),       training ? prop_kind::forward_training : prop_kind::forward_inference,
          d.algorithm, d.src,
          d.dst,       d.strides,
          d.kernel,    no_dilation,
          d.pad_left,  d.pad_right,
          attr,        true};
}

dnnl::pooling_backward::primitive_desc PoolingBackward(
    const PoolingDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::pooling_forward::primitive_desc& forward) {
  const dnnl::memory::dims no_dilation(d.kernel.size(), 0);
  return {Cpu(),       d.algorithm, d.src,       d.dst,   d.strides, d.kernel,
          no_dilation, d.pad_left,  d.pad_right, forward, attr,      true};
}

dnnl::lrn_forward::primitive_desc LrnForward(const LrnDesc& d, bool training,
                                             const dnnl::primitive_attr& attr) {
  return {Cpu(),
          training ? prop_kind::forward_training : prop_kind::forward_inference,
          algorithm::lrn_across_channels,
          d.data,
          d.data,
          d.size,
          d.alpha,
          d.beta,
          d.k,
          attr,
          true};
}

dnnl::lrn_backward::primitive_desc LrnBackward(const LrnDesc& d, const dnnl::primitive_attr& attr,
                                               const dnnl::lrn_forward::primitive_desc& forward) {
  return {Cpu(),   algorithm::lrn_across_channels,
          d.data,  d.data,
          d.data,  d.size,
          d.alpha, d.beta,
          d.k,     forward,
          attr,    true};
}

}  // namespace crema::onednn
