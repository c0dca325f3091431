#include "layers/layer_examples.h"

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/databases.h"
#include "schema/hdf5_io.h"
#include "schema/text_reader.h"

namespace crema::test {
namespace {

const Shape kImages{2, 3, 5, 4};
const std::string kFiller = "weight_filler { type: 'gaussian' std: 0.1 } ";

std::string Convolution(const std::string& options) {
  return "convolution_param { " + kFiller + options + " }";
}
std::string Pooling(const std::string& options) { return "pooling_param { " + options + " }"; }
std::string Dummy(const std::string& options) { return "dummy_data_param { " + options + " }"; }

std::vector<LayerExample> DataExamples() {
  return {
      {"Data",
       {},
       2,
       "data_param { source: 'FOLDER/lmdb' backend: LMDB batch_size: 2 } "
       "transform_param { crop_size: 2 }"},
      {"DummyData", {}, 1, Dummy("shape { dim: 2 dim: 3 } data_filler { type: 'uniform' }")},
      {"DummyData", {}, 2, Dummy("shape { dim: 2 } data_filler { type: 'gaussian' }")},
      {"DummyData", {}, 1, Dummy("num: 2 channels: 3 height: 4 width: 4")},
      {"DummyData",
       {},
       1,
       Dummy("num: 2 channels: 3 height: 4 width: 4 data_filler { type: 'bilinear' }")},
      {"HDF5Data", {}, 2, "hdf5_data_param { source: 'FOLDER/hdf5.txt' batch_size: 2 }"},
      {"ImageData",
       {},
       2,
       "image_data_param { source: 'FOLDER/images.txt' root_folder: 'FOLDER/' batch_size: 2 "
       "new_height: 4 new_width: 6 } transform_param { crop_size: 3 }"},
      {"Input", {}, 1, "input_param { shape { dim: 2 dim: 3 } }"},
      {"MemoryData", {}, 2, "memory_data_param { batch_size: 2 channels: 1 height: 3 width: 2 }"},
      {"Parameter", {}, 1, "parameter_param { shape { dim: 2 dim: 3 } }"},
      {"WindowData",
       {},
       2,
       "window_data_param { source: 'FOLDER/windows.txt' root_folder: 'FOLDER/' batch_size: 2 "
       "fg_fraction: 0.5 } transform_param { crop_size: 4 }"},
  };
}

std::vector<LayerExample> ImageExamples() {
  return {
      {"BatchNorm", {kImages}},
      {"Convolution", {{2, 4, 7, 7}}, 1, Convolution("num_output: 4 kernel_size: 3 group: 2")},
      {"Convolution",
       {{2, 4, 7, 7}},
       1,
       Convolution("num_output: 3 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 "
                   "pad_w: 0 engine: CAFFE")},
      {"Convolution", {{2, 2, 3, 4, 5}}, 1, Convolution("num_output: 2 kernel_size: 2 stride: 1")},
      {"Deconvolution", {{2, 4, 5, 5}}, 1, Convolution("num_output: 4 kernel_size: 3 pad: 1")},
      {"Deconvolution",
       {{2, 4, 5, 5}},
       1,
       Convolution("num_output: 2 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 "
                   "pad_w: 0 engine: CAFFE")},
      {"Im2col", {kImages}, 1, "convolution_param { kernel_size: 2 stride: 1 pad: 1 }"},
      {"LRN", {kImages}, 1, "lrn_param { local_size: 3 }"},
      {"LRN", {kImages}, 1, "lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL }"},
      {"MVN", {kImages}},
      {"Pooling", {kImages}, 2, Pooling("kernel_size: 3 stride: 2 pad: 1")},
      {"Pooling", {kImages}, 1, Pooling("kernel_size: 3 stride: 2 pad: 1")},
      {"Pooling",
       {kImages},
       1,
       Pooling("pool: AVE kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 1")},
      {"Pooling", {kImages}, 1, Pooling("pool: STOCHASTIC kernel_size: 2")},
      {"Pooling", {kImages}, 1, Pooling("global_pooling: true")},
      {"PReLU", {kImages}},
      {"SPP", {kImages}, 1, "spp_param { pyramid_height: 2 }"},
  };
}

std::vector<LayerExample> ElementExamples() {
  return {
      {"AbsVal", {kImages}},
      {"BNLL", {kImages}},
      {"Clip", {kImages}, 1, "clip_param { min: 0 max: 1 }"},
      {"Dropout", {kImages}},
      {"Eltwise", {kImages, kImages}, 1, "eltwise_param { coeff: 1 coeff: 2 }"},
      {"Eltwise", {kImages, kImages, kImages}, 1, "eltwise_param { operation: PROD }"},
      {"Eltwise", {kImages, kImages}, 1, "eltwise_param { operation: MAX }"},
      {"ELU", {kImages}},
      {"Exp", {kImages}},
      {"Log", {kImages}, 1, "log_param { shift: 1 }"},
      {"Power", {kImages}, 1, "power_param { power: 3 }"},
      {"ReLU", {kImages}},
      {"Sigmoid", {kImages}},
      {"Softmax", {kImages}},
      {"Split", {kImages}, 2},
      {"Swish", {kImages}},
      {"TanH", {kImages}},
      {"Threshold", {kImages}},
  };
}

std::vector<LayerExample> ShapeExamples() {
  return {
      {"ArgMax", {{2, 6}}, 1, "argmax_param { top_k: 2 }"},
      {"ArgMax", {{2, 6, 3}}, 1, "argmax_param { top_k: 2 axis: 1 out_max_val: true }"},
      {"BatchReindex", {{3, 4}, {2}}},
      {"Bias", {{2, 3, 4}}},
      {"Bias", {{2, 3, 4}, {3}}},
      {"Concat", {{2, 3, 4}, {2, 2, 4}}},
      {"Crop", {{2, 3, 6, 6}, {2, 3, 4, 4}}, 1, "crop_param { axis: 2 offset: 1 }"},
      {"Embed", {{4}}, 1, "embed_param { num_output: 3 input_dim: 5 " + kFiller + "}"},
      {"Filter", {{3, 2}, {3}}},
      {"Flatten", {{2, 3, 4}}},
      {"HDF5Output", {{2, 3}, {2}}, 0, "hdf5_output_param { file_name: 'FOLDER/out.h5' }"},
      {"InnerProduct",
       {{2, 3, 4}},
       1,
       "inner_product_param { num_output: 3 axis: 1 " + kFiller + "}"},
      {"Reduction", {{2, 3, 4}}, 1, "reduction_param { axis: 1 }"},
      {"Reshape", {{2, 3, 4}}, 1, "reshape_param { shape { dim: 0 dim: -1 } }"},
      {"Reshape", {{2, 3, 4}}, 1, "reshape_param { axis: 1 num_axes: 1 shape { dim: 3 dim: 1 } }"},
      {"Scale", {{2, 3, 4}}, 1, "scale_param { bias_term: true }"},
      {"Scale", {{2, 3, 4}, {3}}, 1, "scale_param { axis: 1 }"},
      {"Silence", {{2, 3}, {2}}, 0},
      {"Slice", {{2, 6, 3}}, 2},
      {"Slice", {{2, 6, 3}}, 2, "slice_param { slice_point: 2 }"},
      {"Tile", {{2, 3, 4}}, 1, "tile_param { tiles: 2 }"},
  };
}

std::vector<LayerExample> LossExamples() {
  return {
      {"Accuracy", {{2, 3}, {2}}},
      {"Accuracy", {{2, 3, 4}, {2, 4}}, 2, "accuracy_param { top_k: 2 }"},
      {"ContrastiveLoss", {{2, 3}, {2, 3}, {2}}},
      {"EuclideanLoss", {{2, 3}, {2, 3}}},
      {"HingeLoss", {{2, 3}, {2}}},
      {"InfogainLoss", {{2, 3}, {2}, {3, 3}}, 2, "loss_param { }"},
      {"MultinomialLogisticLoss", {{2, 3}, {2}}},
      {"SigmoidCrossEntropyLoss", {{2, 3}, {2, 3}}, 1, "loss_param { }"},
      {"SoftmaxWithLoss", {{2, 3, 4}, {2, 4}}, 2, "loss_param { } softmax_param { }"},
  };
}

std::vector<LayerExample> RecurrentExamples() {
  const std::string options = "recurrent_param { num_output: 4 " + kFiller;
  const Shape x{3, 2, 5}, cont{3, 2}, still{2, 3}, state{1, 2, 4};
  return {
      {"LSTM", {x, cont}, 1, options + "}"},
      {"LSTM", {x, cont, still, state, state}, 3, options + "expose_hidden: true }"},
      {"LSTMUnit", {{1, 2, 3}, {1, 2, 12}, {1, 2}}, 2},
      {"RNN", {x, cont}, 1, options + "}"},
      {"RNN", {x, cont, still, state}, 2, options + "expose_hidden: true }"},
  };
}

}  // namespace

const std::vector<LayerExample>& LayerExamples() {
  static const std::vector<LayerExample> all = [] {
    std::vector<LayerExample> examples;
    for (const auto& some : {DataExamples(), ImageExamples(), ElementExamples(), ShapeExamples(),
                             LossExamples(), RecurrentExamples()}) {
      examples.insert(examples.end(), some.begin(), some.end());
    }
    return examples;
  }();
  return all;
}

std::vector<std::string> ExampleTypes() {
  std::vector<std::string> types;
  for (const LayerExample& example : LayerExamples()) {
    if (types.empty() || types.back() != example.type) types.push_back(example.type);
  }
  return types;
}

void WriteExampleData(const std::string& folder) {
  WriteTestDatabase(Backend::kLmdb, folder + "/lmdb", 6, 3, 4, 4);
  cv::imwrite(folder + "/a.png", cv::Mat(6, 8, CV_8UC3, cv::Scalar(1, 2, 3)));
  WriteAll(folder + "/images.txt", "a.png 0\na.png 1\n");
  WriteAll(folder + "/windows.txt", "# 0\na.png\n3\n6\n8\n2\n1 0.9 1 1 4 4\n1 0.1 2 2 5 5\n");
  const std::vector<float> values(12, 1.0f);
  Hdf5File file = Hdf5File::CreateInMemory("rows.h5");
  file.Write("t0", {4, 3}, values.data());
  file.Write("t1", {4}, values.data());
  WriteAll(folder + "/rows.h5", file.Bytes());
  WriteAll(folder + "/hdf5.txt", folder + "/rows.h5\n");
}

proto::LayerParameter ExampleLayer(const LayerExample& example, const std::string& folder) {
  std::string options = example.options;
  for (size_t at = options.find("FOLDER"); at != std::string::npos; at = options.find("FOLDER")) {
    options.replace(at, 6, folder);
  }
  proto::LayerParameter layer;
  ReadText("name: 'l' type: '" + example.type + "' " + options, "example", &layer);
  for (size_t b = 0; b < example.bottoms.size(); ++b) layer.add_bottom("b" + std::to_string(b));
  for (int t = 0; t < example.tops; ++t) {
    layer.add_top("t" + std::to_string(t));
    layer.add_loss_weight(1);
  }
  return layer;
}

proto::NetParameter ExampleNet(const LayerExample& example, const proto::LayerParameter& layer,
                               proto::Phase phase) {
  proto::NetParameter net;
  net.set_name("example");
  net.set_force_backward(true);
  net.mutable_state()->set_phase(phase);
  for (size_t b = 0; b < example.bottoms.size(); ++b) {
    proto::LayerParameter* input = net.add_layer();
    input->set_name("b" + std::to_string(b));
    input->set_type("Input");
    input->add_top(input->name());
    proto::BlobShape* shape = input->mutable_input_param()->add_shape();
    for (int64_t dim : example.bottoms[b].dims()) shape->add_dim(dim);
  }
  *net.add_layer() = layer;
  return net;
}

}  // namespace crema::test
