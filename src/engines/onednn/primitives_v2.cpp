// oneDNN 2: a primitive is described in two steps.
#include "engines/onednn/primitives.h"

namespace crema::onednn {

using dnnl::algorithm;
using dnnl::prop_kind;

void AppendRelu(float slope, dnnl::post_ops* operations) {
  operations->append_eltwise(1.0f, algorithm::eltwise_relu, slope, 0.0f);
}

dnnl::convolution_forward::primitive_desc ConvolutionForward(const ConvolutionDesc& d,
                                                             const dnnl::primitive_attr& attr) {
  const dnnl::convolution_forward::desc op(
      d.inference ? prop_kind::forward_inference : prop_kind::forward_training, d.algorithm, d.src,
      d.weights, d.bias, d.dst, d.strides, d.dilations, d.pad_left, d.pad_right);
  return QuickerIfDepthwise(
      [&] { return dnnl::convolution_forward::primitive_desc(op, attr, Cpu(), true); });
}

dnnl::convolution_backward_data::primitive_desc ConvolutionBackwardData(
    const ConvolutionDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::convolution_forward::primitive_desc& forward) {
  const dnnl::convolution_backward_data::desc op(d.algorithm, d.src, d.weights, d.dst, d.strides,
                                                 d.dilations, d.pad_left, d.pad_right);
  return {op, attr, Cpu(), forward, true};
}

dnnl::convolution_backward_weights::primitive_desc ConvolutionBackwardWeights(
    const ConvolutionDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::convolution_forward::primitive_desc& forward) {
  const dnnl::convolution_backward_weights::desc op(d.algorithm, d.src, d.weights, d.bias, d.dst,
                                                    d.strides, d.dilations, d.pad_left,
                                                    d.pad_right);
  return {op, attr, Cpu(), forward, true};
}

dnnl::inner_product_forward::primitive_desc InnerProductForward(const InnerProductDesc& d,
                                                                bool training,
                                                                const dnnl::primitive_attr& attr) {
  const dnnl::inner_product_forward::desc op(
      training ? prop_kind::forward_training : prop_kind::forward_inference, d.src, d.weights,
      d.bias, d.dst);
  return {op, attr, Cpu(), true};
}

dnnl::matmul::primitive_desc Product(const InnerProductDesc& d, const dnnl::primitive_attr& attr) {
  return {dnnl::matmul::desc(d.src, d.weights, d.bias, d.dst), attr, Cpu(), true};
}

dnnl::inner_product_backward_data::primitive_desc InnerProductBackwardData(
    const InnerProductDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::inner_product_forward::primitive_desc& forward) {
  const dnnl::inner_product_backward_data::desc op(d.src, d.weights, d.dst);
  return {op, attr, Cpu(), forward, true};
}

dnnl::inner_product_backward_weights::primitive_desc InnerProductBackwardWeights(
    const InnerProductDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::inner_product_forward::primitive_desc& forward) {
  const dnnl::inner_product_backward_weights::desc op(d.src, d.weights, d.bias, d.dst);
  return {op, attr, Cpu(), forward, true};
}

dnnl::pooling_forward::primitive_desc PoolingForward(const PoolingDesc& d, bool training,
                                                     const dnnl::primitive_attr& attr) {
  const dnnl::pooling_forward::desc op(
      training ? prop_kind::forward_training : prop_kind::forward_inference, d.algorithm, d.src,
      d.dst, d.strides, d.kernel, d.pad_left, d.pad_right);
  return {op, attr, Cpu(), true};
}

dnnl::pooling_backward::primitive_desc PoolingBackward(
    const PoolingDesc& d, const dnnl::primitive_attr& attr,
    const dnnl::pooling_forward::primitive_desc& forward) {
  const dnnl::pooling_backward::desc op(d.algorithm, d.src, d.dst, d.strides, d.kernel, d.pad_left,
                                        d.pad_right);
  return {op, attr, Cpu(), forward, true};
}

dnnl::lrn_forward::primitive_desc LrnForward(const LrnDesc& d, bool training,
                                             const dnnl::primitive_attr& attr) {
  const dnnl::lrn_forward::desc op(
      training ? prop_kind::forward_training : prop_kind::forward_inference,
      algorithm::lrn_across_channels, d.data, d.size, d.alpha, d.beta, d.k);
  return {op, attr, Cpu(), true};
}

dnnl::lrn_backward::primitive_desc LrnBackward(const LrnDesc& d, const dnnl::primitive_attr& attr,
                                               const dnnl::lrn_forward::primitive_desc& forward) {
  const dnnl::lrn_backward::desc op(algorithm::lrn_across_channels, d.data, d.data, d.size, d.alpha,
                                    d.beta, d.k);
  return {op, attr, Cpu(), forward, true};
}

}  // namespace crema::onednn
