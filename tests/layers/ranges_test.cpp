// Options that are out of range: the sentence says what was found and the whole range.
#include <gtest/gtest.h>

#include "schema/schema_test_util.h"
#include "util/layer_runner.h"

namespace crema::test {
namespace {

struct RangeCase {
  std::string type, options;
  std::string sentence;  // behind "layer 'l' (TYPE): "
  Shape bottom = {2, 4, 5, 5};
};

const std::string kWindow = "num_output: 2 kernel_size: 3 ";

const RangeCase kCases[] = {
    {"Convolution", "convolution_param { num_output: 20000000 kernel_size: 3 }",
     "num_output is 20000000, but must be from 1 to 16777216"},
    {"Convolution", "convolution_param { num_output: 0 kernel_size: 3 }",
     "num_output is 0, but must be from 1 to 16777216"},
    {"Convolution", "convolution_param { kernel_size: 3 }",
     "num_output is missing; it must be given, from 1 to 16777216"},
    {"Deconvolution", "", "num_output is missing; it must be given, from 1 to 16777216"},
    {"InnerProduct", "", "num_output is missing; it must be given, from 1 to 1073741824"},
    {"SPP", "", "pyramid_height is missing; it must be given, from 1 to 16"},
    {"Tile", "", "tiles is missing; it must be given, from 1 to 2147483647"},
    {"Embed", "embed_param { input_dim: 3 }",
     "num_output is missing; it must be given, from 1 to 2147483647"},
    {"Convolution", "convolution_param { num_output: 2 kernel_size: 20000000 }",
     "kernel_size is 20000000, but must be from 1 to 16777216"},
    {"Convolution", "convolution_param { " + kWindow + "stride: 0 }",
     "stride is 0, but must be from 1 to 16777216"},
    {"Convolution", "convolution_param { " + kWindow + "pad: 4294967295 }",
     "pad is 4294967295, but must be from 0 to 16777216"},
    {"Convolution", "convolution_param { " + kWindow + "dilation: 0 }",
     "dilation is 0, but must be from 1 to 16777216"},
    {"Convolution", "convolution_param { " + kWindow + "group: 0 }",
     "group is 0, but must be from 1 to 2"},
    {"Convolution", "convolution_param { " + kWindow + "group: 4 }",
     "group is 4, but must be from 1 to 2"},
    {"Convolution", "convolution_param { " + kWindow + "axis: 4 }",
     "axis is 4, but must be from -4 to 3 for the shape 2 4 5 5 (200)"},
    {"Pooling", "pooling_param { kernel_size: 20000000 }",
     "kernel_size is 20000000, but must be from 1 to 16777216"},
    {"Pooling", "pooling_param { kernel_size: 2 stride: 20000000 }",
     "stride is 20000000, but must be from 1 to 16777216"},
    {"Pooling", "pooling_param { kernel_size: 2 pad: 2 }",
     "pad is 2, but must be from 0 to 1; it must be below kernel_size"},
    {"Pooling",
     "pooling_param { kernel_size: 2 }",
     "the number of pixels of an image of the input 2 4 0 5 (0) is 0, but must be from 1 to "
     "1073741824",
     {2, 4, 0, 5}},
    {"SPP", "spp_param { pyramid_height: 17 }", "pyramid_height is 17, but must be from 1 to 16"},
    {"InnerProduct", "inner_product_param { num_output: 2000000000 }",
     "num_output is 2000000000, but must be from 1 to 1073741824"},
    {"InnerProduct", "inner_product_param { num_output: 1 axis: -5 }",
     "axis is -5, but must be from -4 to 3 for the shape 2 4 5 5 (200)"},
    {"Embed",
     "embed_param { num_output: 4294967295 input_dim: 3 }",
     "num_output is 4294967295, but must be from 1 to 2147483647",
     {3}},
    {"Embed",
     "embed_param { num_output: 2 }",
     "input_dim is missing; it must be given, from 1 to 2147483647; it is the number of different "
     "indices",
     {3}},
    {"ArgMax", "argmax_param { top_k: 101 }",
     "top_k is 101, but must be from 1 to 100; the maximum is the number of values to choose from"},
    {"ArgMax", "argmax_param { top_k: 0 }",
     "top_k is 0, but must be from 1 to 100; the maximum is the number of values to choose from"},
    {"LRN", "lrn_param { local_size: 0 }", "local_size is 0, but must be from 1 to 16777216"},
    {"LRN", "lrn_param { local_size: 4 }", "local_size is 4, but must be odd"},
    {"LRN", "lrn_param { local_size: 33554433 }",
     "local_size is 33554433, but must be from 1 to 16777216"},
    {"Tile", "tile_param { tiles: 0 }", "tiles is 0, but must be from 1 to 2147483647"},
    {"Concat", "concat_param { concat_dim: 4294967295 }",
     "concat_dim is 4294967295, but must be from 0 to 2147483647; to count from the end, use axis"},
    {"Slice", "slice_param { slice_dim: 4294967295 }",
     "slice_dim is 4294967295, but must be from 0 to 2147483647; to count from the end, use axis"},
    {"Reshape", "reshape_param { axis: 5 }",
     "axis is 5, but must be from -5 to 4; its bottom has shape 2 4 5 5 (200)"},
    {"Reshape", "reshape_param { axis: 2 num_axes: 3 }",
     "num_axes is 3, but must be from -1 to 2; its bottom has shape 2 4 5 5 (200)"},
    {"Scale", "scale_param { axis: 1 num_axes: 4 }",
     "num_axes is 4, but must be from -1 to 3; its bottom has shape 2 4 5 5 (200), axis is 1, "
     "and -1 means all axes from there on"},
    {"Softmax", "softmax_param { axis: 7 }",
     "axis is 7, but must be from -4 to 3 for the shape 2 4 5 5 (200)"},
    {"Softmax", "", "axis is 1; a scalar has no axes", {}},
};

TEST(RangeTest, SentencesSayTheWholeRange) {
  for (const RangeCase& c : kCases) {
    const std::string text = "name: 'l' type: '" + c.type + "' " + c.options;
    const std::string error = ErrorOf([&] { LayerRunner runner(text, {c.bottom}); });
    EXPECT_EQ(error, "layer 'l' (" + c.type + "): " + c.sentence) << c.options;
  }
}

TEST(RangeTest, SentencesOfSourcesSayTheWholeRange) {
  const std::string range = " must be from 1 to 1073741824";
  const RangeCase cases[] = {
      {"Data", "data_param { source: 'x' batch_size: 0 }",
       "batch_size is 0, but must be from 1 to 2147483647"},
      {"Data", "data_param { source: 'x' }",
       "batch_size is missing; it must be given, from 1 to 2147483647"},
      {"HDF5Data", "hdf5_data_param { source: 'x' }",
       "batch_size is missing; it must be given, from 1 to 1073741824"},
      {"WindowData", "window_data_param { source: 'x' }",
       "batch_size is missing; it must be given, from 1 to 1073741824"},
      {"WindowData", "window_data_param { source: 'x' batch_size: 1 }",
       "crop_size is missing; it must be given, from 1 to 65536; set transform_param { crop_size } "
       "to the size of the net's input"},
      {"MemoryData", "memory_data_param { batch_size: 1 height: 1 width: 1 }",
       "channels is missing; it must be given, from 1 to 4294967295"},
      {"Data", "data_param { source: 'x' batch_size: 4294967295 }",
       "batch_size is 4294967295, but must be from 1 to 2147483647"},
      {"ImageData", "image_data_param { source: 'x' batch_size: 4294967295 }",
       "batch_size is 4294967295, but" + range},
      {"ImageData", "image_data_param { source: 'x' batch_size: 1 new_width: 70000 }",
       "new_width is 70000, but must be from 0 to 65536"},
      {"HDF5Data", "hdf5_data_param { source: 'x' batch_size: 0 }", "batch_size is 0, but" + range},
      {"WindowData", "window_data_param { source: 'x' batch_size: 0 }",
       "batch_size is 0, but" + range},
      {"WindowData",
       "window_data_param { source: 'x' batch_size: 1 context_pad: 16 } "
       "transform_param { crop_size: 32 }",
       "context_pad is 16, but must be from 0 to 15; it must be less than half of crop_size"},
      {"MemoryData", "memory_data_param { batch_size: 1 channels: 0 height: 1 width: 1 }",
       "channels is 0, but must be from 1 to 4294967295"},
  };
  for (const RangeCase& c : cases) {
    const std::string text = "name: 'l' type: '" + c.type + "' " + c.options;
    const std::string error = ErrorOf([&] { LayerRunner runner(text, {}); });
    EXPECT_EQ(error, "layer 'l' (" + c.type + "): " + c.sentence) << c.options;
  }
}

TEST(RangeTest, RecurrentLayersSayTheWholeRange) {
  for (const std::string type : {"LSTM", "RNN"}) {
    const auto error = [&](const std::string& options) {
      const std::string text = "name: 'l' type: '" + type + "' recurrent_param { " + options + " }";
      return ErrorOf([&] { LayerRunner runner(text, {Shape{1, 1, 2}, Shape{1, 1}}); });
    };
    const std::string title = "layer 'l' (" + type + "): ";
    EXPECT_EQ(error("num_output: 20000000"),
              title + "num_output is 20000000, but must be from 1 to 16777216");
    EXPECT_EQ(error(""), title + "num_output is missing; it must be given, from 1 to 16777216");
  }
}

}  // namespace
}  // namespace crema::test
