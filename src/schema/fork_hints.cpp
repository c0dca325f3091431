#include "schema/fork_hints.h"

#include "base/numbers.h"
#include "crema/error.h"

namespace crema {
namespace {

constexpr const char* kSsd = "SSD";
constexpr const char* kNvidia = "NVIDIA's Caffe";
constexpr const char* kIntel = "Intel's Caffe";
constexpr const char* kSegNet = "SegNet's Caffe";
constexpr const char* kPspNet = "PSPNet's Caffe";
constexpr const char* kDeepLab = "DeepLab's Caffe";
constexpr const char* kFastRcnn = "Fast R-CNN";
constexpr const char* kRfcn = "R-FCN";
constexpr const char* kSphereFace = "SphereFace";
constexpr const char* kYolo = "the YOLO ports";
constexpr const char* kSeveral = "various forks of Caffe";

// Which values of a field change nothing.
constexpr const char* kNone = nullptr;
constexpr const char* kAny = "";
constexpr const char* kNoRelu = "put a ReLU layer after this one";
constexpr const char* kScale = "put a Scale layer after this one";
constexpr const char* kFloat = "all numbers are float32 here";

const ForkField kFields[] = {
    {"PoolingParameter", "avg_include_pad", kIntel, "", "true"},
    {"PoolingParameter", "kernel_d", "C3D and other 3-D forks", "", kNone},
    {"PoolingParameter", "kernel_depth", "C3D and other 3-D forks", "", kNone},
    {"ConvolutionParameter", "kernel_d", "C3D and other 3-D forks",
     "write one kernel_size, stride and pad per spatial axis", kNone},
    {"ConvolutionParameter", "kernel_depth", "C3D and other 3-D forks",
     "write one kernel_size, stride and pad per spatial axis", kNone},
    {"ConvolutionParameter", "conv_algos_override", kNvidia, "", kAny},
    {"ConvolutionParameter", "cudnn_convolution_algo_seeker", kNvidia, "", kAny},
    {"ConvolutionParameter", "relu", kIntel, kNoRelu, "false"},
    {"InnerProductParameter", "normalize", kSphereFace, "", "false"},
    {"BatchNormParameter", "scale_bias", kNvidia, kScale, "false"},
    {"BatchNormParameter", "engine", kNvidia, "", kAny},
    {"BatchNormParameter", "scale_filler", kNvidia, kScale, kNone},
    {"BatchNormParameter", "bias_filler", kNvidia, kScale, kNone},
    {"BatchNormParameter", "update_global_stats", kPspNet, "", kNone},
    {"BatchNormParameter", "relu", kIntel, kNoRelu, "false"},
    {"BatchNormParameter", "stats_batch_size", kIntel, "", "0"},
    {"EltwiseParameter", "relu", kIntel, kNoRelu, "false"},
    {"DropoutParameter", "engine", kNvidia, "", kAny},
    {"DropoutParameter", "random_seed", kNvidia, "", kAny},
    {"DropoutParameter", "sample_weights_test", kSegNet, "", "false"},
    {"DropoutParameter", "scale_train", kSeveral, "", "true"},
    {"DataParameter", "threads", kNvidia, "", kAny},
    {"DataParameter", "parser_threads", kNvidia, "", kAny},
    {"DataParameter", "cache", kNvidia, "", kAny},
    {"ImageDataParameter", "threads", kNvidia, "", kAny},
    {"ImageDataParameter", "cache", kNvidia, "", kAny},
    {"ImageDataParameter", "label_type", "DeepLab's and PSPNet's Caffe", "", kNone},
    {"LossParameter", "pre_fixed_normalizer", kRfcn, "", kNone},
    {"LossParameter", "label_smoothing", "NVIDIA's and Intel's Caffe", "", "0"},
    {"LossParameter", "weight_by_label_freqs", kSegNet, "", kNone},
    {"LossParameter", "class_weighting", kSegNet, "", kNone},
    {"SoftmaxParameter", "weight_by_label_freqs", kSegNet, "", kNone},
    {"TransformationParameter", "resize_param", kSsd, "", kNone},
    {"TransformationParameter", "distort_param", kSsd, "", kNone},
    {"TransformationParameter", "expand_param", kSsd, "", kNone},
    {"TransformationParameter", "noise_param", kSsd, "", kNone},
    {"TransformationParameter", "emit_constraint", kSsd, "", kNone},
    {"TransformationParameter", "crop_h", kSsd, "", kNone},
    {"TransformationParameter", "crop_w", kSsd, "", kNone},
    {"TransformationParameter", "crop_height", kPspNet, "", kNone},
    {"TransformationParameter", "crop_width", kPspNet, "", kNone},
    {"TransformationParameter", "scale_factors", kPspNet, "", kNone},
    {"TransformationParameter", "random_seed", kNvidia, "", kAny},
    {"TransformationParameter", "use_gpu_transform", kNvidia, "", kAny},
    {"TransformationParameter", "img_rand_resize_lower", kNvidia, "", "0"},
    {"TransformationParameter", "img_rand_resize_upper", kNvidia, "", "0"},
    {"TransformationParameter", "bgr2rgb", kIntel, "", "false"},
    {"TransformationParameter", "random_aspect_ratio_param", kIntel, "", kNone},
    {"TransformationParameter", "random_resize_param", kIntel, "", kNone},
    {"NetParameter", "default_forward_type", kNvidia, kFloat, kAny},
    {"NetParameter", "default_backward_type", kNvidia, kFloat, kAny},
    {"NetParameter", "default_forward_math", kNvidia, kFloat, kAny},
    {"NetParameter", "default_backward_math", kNvidia, kFloat, kAny},
    {"NetParameter", "default_conv_algos_override", kNvidia, "", kAny},
    {"NetParameter", "global_grad_scale", kNvidia, "", kAny},
    {"NetParameter", "global_grad_scale_adaptive", kNvidia, "", kAny},
    {"NetParameter", "eltwise_mem_sharing", kNvidia, "", kAny},
    {"NetParameter", "bn_stats_batch_size", kIntel, "", "0"},
    {"LayerParameter", "forward_type", kNvidia, kFloat, kAny},
    {"LayerParameter", "backward_type", kNvidia, kFloat, kAny},
    {"LayerParameter", "forward_math", kNvidia, kFloat, kAny},
    {"LayerParameter", "backward_math", kNvidia, kFloat, kAny},
    {"LayerParameter", "engine", kIntel, "", kAny},
    {"SolverParameter", "engine", kIntel, "", kAny},
    {"SolverParameter", "disabled_update", kIntel, "", "false"},
    {"SolverParameter", "test_and_snapshot_last_epochs", kNvidia,
     "choose test_interval and snapshot", "0"},
    {"", "roi_pooling_param", kFastRcnn, "", kNone},
    {"", "smooth_l1_loss_param", kFastRcnn, "", kNone},
    {"", "proposal_param", "Faster R-CNN", "", kNone},
    {"", "psroi_pooling_param", kRfcn, "", kNone},
    {"", "box_annotator_ohem_param", kRfcn, "", kNone},
    {"", "roi_align_param", "Mask R-CNN ports", "", kNone},
    {"", "permute_param", kSsd, "", kNone},
    {"", "prior_box_param", kSsd, "", kNone},
    {"", "prior_box_clustered_param", "Intel's OpenVINO models", "", kNone},
    {"", "norm_param", kSsd, "", kNone},
    {"", "multibox_loss_param", kSsd, "", kNone},
    {"", "detection_output_param", kSsd, "", kNone},
    {"", "detection_evaluate_param", kSsd, "", kNone},
    {"", "annotated_data_param", kSsd, "", kNone},
    {"", "video_data_param", "C3D and SSD", "", kNone},
    {"", "bn_param", "the Caffe of SegNet or PSPNet", "", kNone},
    {"", "upsample_param", kSegNet, "", kNone},
    {"", "dense_image_data_param", kSegNet, "", kNone},
    {"", "interp_param", "the Caffe of DeepLab or PSPNet", "", kNone},
    {"", "seg_accuracy_param", kDeepLab, "", kNone},
    {"", "mat_read_param", kDeepLab, "", kNone},
    {"", "mat_write_param", kDeepLab, "", kNone},
    {"", "dense_crf_param", kDeepLab, "", kNone},
    {"", "reorg_param", kYolo, "", kNone},
    {"", "region_loss_param", kYolo, "", kNone},
    {"", "eval_detection_param", kYolo, "", kNone},
    {"", "shuffle_channel_param", "ShuffleNet", "", kNone},
    {"", "margin_inner_product_param", kSphereFace, "", kNone},
    {"", "label_specific_add_param", "AM-Softmax", "", kNone},
    {"", "center_loss_param", "center-loss face recognition", "", kNone},
    {"", "triplet_loss_param", kSeveral, "", kNone},
    {"", "multi_stage_meanfield_param", "CRF-RNN", "", kNone},
    {"", "detectnet_groundtruth_param", kNvidia, "", kNone},
    {"", "detectnet_augmentation_param", kNvidia, "", kNone},
    {"", "spatial_dropout_param", kIntel, "", kNone},
    {"", "quantization_param", kIntel, "", kNone},
    {"", "convolution3d_param", "C3D", "", kNone},
    {"", "pooling3d_param", "C3D", "", kNone},
};

// Names that people write for those of Caffe: for a field, its right name or a sentence about it.
struct FieldHint {
  const char* message;
  const char* field;
  const char* instead;
};

const FieldHint kFieldHints[] = {
    {"LayerParameter", "conv_param", "convolution_param"},
    {"LayerParameter", "conv2d_param", "convolution_param"},
    {"LayerParameter", "deconv_param", "convolution_param"},
    {"LayerParameter", "deconvolution_param", "convolution_param"},
    {"LayerParameter", "pool_param", "pooling_param"},
    {"LayerParameter", "ip_param", "inner_product_param"},
    {"LayerParameter", "fc_param", "inner_product_param"},
    {"LayerParameter", "innerproduct_param", "inner_product_param"},
    {"LayerParameter", "bn_params", "batch_norm_param"},
    {"LayerParameter", "batchnorm_param", "batch_norm_param"},
    {"LayerParameter", "image_param", "image_data_param"},
    {"LayerParameter", "transformation_param", "transform_param"},
    {"LayerParameter", "blobs_lr",
     "it belongs to the old format \"layers\"; here write param { lr_mult: ... } for each blob"},
    {"LayerParameter", "weight_decay",
     "it belongs to the old format \"layers\"; here write param { decay_mult: ... } for each blob"},
    {"ConvolutionParameter", "kernelsize", "kernel_size"},
    {"ConvolutionParameter", "biasterm", "bias_term"},
    {"ConvolutionParameter", "padding", "pad"},
    {"PoolingParameter", "kernelsize", "kernel_size"},
    {"PoolingParameter", "padding", "pad"},
    {"InnerProductParameter", "biasterm", "bias_term"},
    {"DataParameter", "batchsize", "batch_size"},
    {"TransformationParameter", "meanfile", "mean_file"},
    {"TransformationParameter", "cropsize", "crop_size"},
    {"SolverParameter", "learning_rate", "base_lr"},
    {"SolverParameter", "lr", "base_lr"},
    {"SolverParameter", "optimizer", "type"},
    {"SolverParameter", "solver", "type"},
};

constexpr const char* kDepthwise =
    "write type: \"Convolution\", and set group in convolution_param to the number of channels of "
    "its bottom, which num_output usually is";
constexpr const char* kRelu6 = "write type: \"Clip\" with clip_param { min: 0 max: 6 }";

struct TypeHint {
  const char* type;
  const char* fork;    // "": none
  const char* advice;  // a clause, or ""
};

const TypeHint kTypes[] = {
    {"ROIPooling", kFastRcnn, ""},
    {"SmoothL1Loss", kFastRcnn, ""},
    {"Proposal", "Faster R-CNN", ""},
    {"PSROIPooling", kRfcn, ""},
    {"BoxAnnotatorOHEM", kRfcn, ""},
    {"SoftmaxWithLossOHEM", kRfcn, ""},
    {"SmoothL1LossOHEM", kRfcn, ""},
    {"ROIAlign", "Mask R-CNN ports", ""},
    {"Permute", kSsd, ""},
    {"PriorBox", kSsd, ""},
    {"PriorBoxClustered", "Intel's OpenVINO models", ""},
    {"Normalize", kSsd, ""},
    {"MultiBoxLoss", kSsd, ""},
    {"DetectionOutput", kSsd, ""},
    {"DetectionEvaluate", kSsd, ""},
    {"AnnotatedData", kSsd, ""},
    {"VideoData", kSsd, ""},
    {"BN", "the Caffe of SegNet or PSPNet", ""},
    {"Upsample", kSegNet, ""},
    {"DenseImageData", kSegNet, ""},
    {"Interp", "the Caffe of DeepLab or PSPNet", ""},
    {"ImageSegData", kDeepLab, ""},
    {"SegAccuracy", kDeepLab, ""},
    {"MatRead", kDeepLab, ""},
    {"MatWrite", kDeepLab, ""},
    {"DenseCRF", kDeepLab, ""},
    {"Reorg", kYolo, ""},
    {"RegionLoss", kYolo, ""},
    {"ShuffleChannel", "ShuffleNet", ""},
    {"ConvolutionDepthwise", "MobileNet ports", kDepthwise},
    {"DepthwiseConvolution", "MobileNet ports", kDepthwise},
    {"ReLU6", "MobileNet ports", kRelu6},
    {"Axpy", "SENet", ""},
    {"ImageLabelmapData", "HED", ""},
    {"MarginInnerProduct", kSphereFace, ""},
    {"LabelSpecificAdd", "AM-Softmax", ""},
    {"CenterLoss", "center-loss face recognition", ""},
    {"TripletLoss", kSeveral, ""},
    {"MultiStageMeanfield", "CRF-RNN", ""},
    {"Correlation", "FlowNet's Caffe", ""},
    {"FlowWarp", "FlowNet's Caffe", ""},
    {"Resample", "FlowNet's Caffe", ""},
    {"ROIWarping", "Multi-task Network Cascades", ""},
    {"DeformableConvolution", "Deformable ConvNets ports", ""},
    {"FocalLoss", kSeveral, ""},
    {"Convolution3D", "C3D", ""},
    {"Pooling3D", "C3D", ""},
    {"DepthwiseConv", "MobileNet ports", kDepthwise},
    {"CuDNNConvolution", "",
     "write type: \"Convolution\" with convolution_param { engine: CUDNN }"},
    {"CuDNNDeconvolution", "",
     "write type: \"Deconvolution\" with convolution_param { engine: CUDNN }"},
    {"CuDNNPooling", "", "write type: \"Pooling\" with pooling_param { engine: CUDNN }"},
    {"CuDNNReLU", "", "write type: \"ReLU\" with relu_param { engine: CUDNN }"},
    {"CuDNNSigmoid", "", "write type: \"Sigmoid\" with sigmoid_param { engine: CUDNN }"},
    {"CuDNNTanH", "", "write type: \"TanH\" with tanh_param { engine: CUDNN }"},
    {"CuDNNSoftmax", "", "write type: \"Softmax\" with softmax_param { engine: CUDNN }"},
    {"CuDNNLRN", "", "write type: \"LRN\" with lrn_param { engine: CUDNN }"},
    {"CuDNNLCN", "", "write type: \"LRN\" with lrn_param { norm_region: WITHIN_CHANNEL }"},
    {"CuDNNBatchNorm", "", "write type: \"BatchNorm\""},
    {"CuDNNDropout", "", "write type: \"Dropout\""},
};

const TypeHint* FindType(const std::string& type) {
  const std::string wanted = LowerCase(type);
  for (const TypeHint& hint : kTypes) {
    if (wanted == LowerCase(hint.type)) return &hint;
  }
  return nullptr;
}

}  // namespace

const ForkField* FindForkField(const std::string& message, const std::string& field) {
  for (const ForkField& known : kFields) {
    const bool matches = known.message[0] == '\0' || message == known.message;
    if (matches && field == known.field) return &known;
  }
  return nullptr;
}

bool ChangesNothing(const ForkField& field, const std::string& value) {
  if (field.harmless == kNone) return false;
  const std::string harmless = field.harmless;
  const bool is_true = value == "true" || value == "True" || value == "t";
  const bool is_false = value == "false" || value == "False" || value == "f";
  if (harmless == kAny) return true;
  if (harmless == "0") return value == "0" || value == "0." || value == "0.0";
  return harmless == "true" ? is_true || value == "1" : is_false || value == "0";
}

std::string Refusal(const ForkField& field) {
  std::string text = Concat("it comes from ", field.fork);
  const bool has_one = field.harmless != kNone && field.harmless[0] != '\0';
  if (has_one) text += Concat("; only ", field.harmless, " is supported");
  if (field.advice[0] != '\0') text += Concat("; ", field.advice);
  return text;
}

bool IsEngineOfFork(const std::string& name) {
  return name.rfind("MKL", 0) == 0;  // MKL2017, MKLDNN, MKLDNN:CPU,FPGA
}

std::string AdviceForField(const std::string& message, const std::string& field) {
  for (const FieldHint& hint : kFieldHints) {
    if (message != hint.message || field != hint.field) continue;
    const std::string instead = hint.instead;
    return instead.find(' ') == std::string::npos ? "did you mean \"" + instead + "\"?" : instead;
  }
  return "";
}

std::string ForkOfLayerType(const std::string& type) {
  const TypeHint* const hint = FindType(type);
  return hint == nullptr ? "" : hint->fork;
}

std::string AdviceForLayerType(const std::string& type) {
  const TypeHint* const hint = FindType(type);
  return hint == nullptr ? "" : hint->advice;
}

}  // namespace crema
