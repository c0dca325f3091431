#include "schema/fork_hints.h"

namespace crema {
namespace {

struct FieldHint {
  const char* message;  // "" matches any message
  const char* field;
  const char* fork;
  const char* advice;  // a clause, or ""
};

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

const FieldHint kFields[] = {
    {"PoolingParameter", "ceil_mode", kSeveral,
     "write \"round_mode: FLOOR\" for false, and leave it out for true"},
    {"PoolingParameter", "torch_pooling", kNvidia, "write \"round_mode: FLOOR\" for true"},
    {"PoolingParameter", "avg_include_pad", kIntel, ""},
    {"PoolingParameter", "kernel_d", "C3D and other 3-D forks", ""},
    {"PoolingParameter", "kernel_depth", "C3D and other 3-D forks", ""},
    {"ConvolutionParameter", "kernel_d", "C3D and other 3-D forks",
     "write one kernel_size, stride and pad for each spatial axis"},
    {"ConvolutionParameter", "kernel_depth", "C3D and other 3-D forks",
     "write one kernel_size, stride and pad for each spatial axis"},
    {"ConvolutionParameter", "conv_algos_override", kNvidia, "leave it out"},
    {"ConvolutionParameter", "cudnn_convolution_algo_seeker", kNvidia, "leave it out"},
    {"ConvolutionParameter", "relu", kIntel, "put a ReLU layer behind this one"},
    {"InnerProductParameter", "normalize", kSphereFace, ""},
    {"BatchNormParameter", "scale_bias", kNvidia, "put a Scale layer behind this one"},
    {"BatchNormParameter", "engine", kNvidia, "leave it out"},
    {"BatchNormParameter", "scale_filler", kNvidia, "put a Scale layer behind this one"},
    {"BatchNormParameter", "bias_filler", kNvidia, "put a Scale layer behind this one"},
    {"BatchNormParameter", "update_global_stats", kPspNet, ""},
    {"DropoutParameter", "engine", kNvidia, "leave it out"},
    {"DropoutParameter", "sample_weights_test", kSegNet, ""},
    {"DropoutParameter", "scale_train", kSeveral, ""},
    {"DataParameter", "threads", kNvidia, "leave it out"},
    {"DataParameter", "parser_threads", kNvidia, "leave it out"},
    {"DataParameter", "cache", kNvidia, "leave it out"},
    {"ImageDataParameter", "label_type", "DeepLab's and PSPNet's Caffe", ""},
    {"LossParameter", "pre_fixed_normalizer", kRfcn, ""},
    {"LossParameter", "label_smoothing", "NVIDIA's and Intel's Caffe", ""},
    {"LossParameter", "weight_by_label_freqs", kSegNet, ""},
    {"LossParameter", "class_weighting", kSegNet, ""},
    {"SoftmaxParameter", "weight_by_label_freqs", kSegNet, ""},
    {"TransformationParameter", "resize_param", kSsd, ""},
    {"TransformationParameter", "distort_param", kSsd, ""},
    {"TransformationParameter", "expand_param", kSsd, ""},
    {"TransformationParameter", "noise_param", kSsd, ""},
    {"TransformationParameter", "emit_constraint", kSsd, ""},
    {"TransformationParameter", "crop_h", kSsd, ""},
    {"TransformationParameter", "crop_w", kSsd, ""},
    {"TransformationParameter", "crop_height", kPspNet, ""},
    {"TransformationParameter", "crop_width", kPspNet, ""},
    {"TransformationParameter", "scale_factors", kPspNet, ""},
    {"TransformationParameter", "random_seed", kNvidia, "leave it out"},
    {"TransformationParameter", "use_gpu_transform", kNvidia, "leave it out"},
    {"TransformationParameter", "img_rand_resize_lower", kNvidia, ""},
    {"TransformationParameter", "img_rand_resize_upper", kNvidia, ""},
    {"TransformationParameter", "bgr2rgb", kIntel, ""},
    {"TransformationParameter", "random_aspect_ratio_param", kIntel, ""},
    {"TransformationParameter", "random_resize_param", kIntel, ""},
    {"NetParameter", "default_forward_type", kNvidia, "leave it out"},
    {"NetParameter", "default_backward_type", kNvidia, "leave it out"},
    {"NetParameter", "default_forward_math", kNvidia, "leave it out"},
    {"NetParameter", "default_backward_math", kNvidia, "leave it out"},
    {"NetParameter", "global_grad_scale", kNvidia, "leave it out"},
    {"LayerParameter", "forward_type", kNvidia, "leave it out"},
    {"LayerParameter", "backward_type", kNvidia, "leave it out"},
    {"LayerParameter", "forward_math", kNvidia, "leave it out"},
    {"LayerParameter", "backward_math", kNvidia, "leave it out"},
    {"LayerParameter", "engine", kIntel, "leave it out"},
    {"SolverParameter", "engine", kIntel, "leave it out"},
    {"SolverParameter", "disabled_update", kIntel, "leave it out"},
    {"SolverParameter", "test_and_snapshot_last_epochs", kNvidia,
     "leave it out, and choose test_interval and snapshot"},
    {"", "roi_pooling_param", kFastRcnn, ""},
    {"", "smooth_l1_loss_param", kFastRcnn, ""},
    {"", "proposal_param", "Faster R-CNN", ""},
    {"", "psroi_pooling_param", kRfcn, ""},
    {"", "box_annotator_ohem_param", kRfcn, ""},
    {"", "roi_align_param", "Mask R-CNN ports", ""},
    {"", "permute_param", kSsd, ""},
    {"", "prior_box_param", kSsd, ""},
    {"", "prior_box_clustered_param", "Intel's OpenVINO models", ""},
    {"", "norm_param", kSsd, ""},
    {"", "multibox_loss_param", kSsd, ""},
    {"", "detection_output_param", kSsd, ""},
    {"", "detection_evaluate_param", kSsd, ""},
    {"", "annotated_data_param", kSsd, ""},
    {"", "video_data_param", "C3D and SSD", ""},
    {"", "bn_param", "the Caffe of SegNet or PSPNet", ""},
    {"", "upsample_param", kSegNet, ""},
    {"", "dense_image_data_param", kSegNet, ""},
    {"", "interp_param", "the Caffe of DeepLab or PSPNet", ""},
    {"", "seg_accuracy_param", kDeepLab, ""},
    {"", "mat_read_param", kDeepLab, ""},
    {"", "mat_write_param", kDeepLab, ""},
    {"", "dense_crf_param", kDeepLab, ""},
    {"", "reorg_param", kYolo, ""},
    {"", "region_loss_param", kYolo, ""},
    {"", "eval_detection_param", kYolo, ""},
    {"", "shuffle_channel_param", "ShuffleNet", ""},
    {"", "margin_inner_product_param", kSphereFace, ""},
    {"", "label_specific_add_param", "AM-Softmax", ""},
    {"", "center_loss_param", "center-loss face recognition", ""},
    {"", "triplet_loss_param", kSeveral, ""},
    {"", "multi_stage_meanfield_param", "CRF-RNN", ""},
    {"", "detectnet_groundtruth_param", kNvidia, ""},
    {"", "detectnet_augmentation_param", kNvidia, ""},
    {"", "spatial_dropout_param", kIntel, ""},
    {"", "quantization_param", kIntel, ""},
    {"", "convolution3d_param", "C3D", ""},
    {"", "pooling3d_param", "C3D", ""},
};

struct TypeHint {
  const char* type;
  const char* fork;
};

const TypeHint kTypes[] = {
    {"ROIPooling", kFastRcnn},
    {"SmoothL1Loss", kFastRcnn},
    {"Proposal", "Faster R-CNN"},
    {"PSROIPooling", kRfcn},
    {"BoxAnnotatorOHEM", kRfcn},
    {"SoftmaxWithLossOHEM", kRfcn},
    {"SmoothL1LossOHEM", kRfcn},
    {"ROIAlign", "Mask R-CNN ports"},
    {"Permute", kSsd},
    {"PriorBox", kSsd},
    {"PriorBoxClustered", "Intel's OpenVINO models"},
    {"Normalize", kSsd},
    {"MultiBoxLoss", kSsd},
    {"DetectionOutput", kSsd},
    {"DetectionEvaluate", kSsd},
    {"AnnotatedData", kSsd},
    {"VideoData", kSsd},
    {"BN", "the Caffe of SegNet or PSPNet"},
    {"Upsample", kSegNet},
    {"DenseImageData", kSegNet},
    {"Interp", "the Caffe of DeepLab or PSPNet"},
    {"ImageSegData", kDeepLab},
    {"SegAccuracy", kDeepLab},
    {"MatRead", kDeepLab},
    {"MatWrite", kDeepLab},
    {"DenseCRF", kDeepLab},
    {"Reorg", kYolo},
    {"RegionLoss", kYolo},
    {"ShuffleChannel", "ShuffleNet"},
    {"ConvolutionDepthwise", "MobileNet ports"},
    {"DepthwiseConvolution", "MobileNet ports"},
    {"ReLU6", "MobileNet ports"},
    {"Axpy", "SENet"},
    {"ImageLabelmapData", "HED"},
    {"MarginInnerProduct", kSphereFace},
    {"LabelSpecificAdd", "AM-Softmax"},
    {"CenterLoss", "center-loss face recognition"},
    {"TripletLoss", kSeveral},
    {"MultiStageMeanfield", "CRF-RNN"},
    {"Convolution3D", "C3D"},
    {"Pooling3D", "C3D"},
};

}  // namespace

std::string ForkOfField(const std::string& message, const std::string& field) {
  for (const FieldHint& hint : kFields) {
    const bool matches = hint.message[0] == '\0' || message == hint.message;
    if (!matches || field != hint.field) continue;
    const std::string advice = hint.advice;
    return "it comes from " + std::string(hint.fork) + (advice.empty() ? "" : "; " + advice);
  }
  return "";
}

std::string ForkOfLayerType(const std::string& type) {
  for (const TypeHint& hint : kTypes) {
    if (type == hint.type) return hint.fork;
  }
  return "";
}

}  // namespace crema
