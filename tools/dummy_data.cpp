#include "dummy_data.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/counted.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/dev/compile.h"
#include "crema/error.h"
#include "net/passes.h"

namespace crema {
namespace {

bool ReadsData(const proto::LayerParameter& layer) {
  for (const char* type : {"Data", "ImageData", "WindowData", "HDF5Data", "MemoryData"}) {
    if (layer.type() == type) return true;
  }
  return false;
}

int64_t FirstAboveZero(std::initializer_list<int64_t> numbers) {
  for (int64_t number : numbers) {
    if (number > 0) return number;
  }
  return 0;
}

int64_t BatchSize(const proto::LayerParameter& layer) {
  return FirstAboveZero({layer.data_param().batch_size(),
                         layer.has_image_data_param() ? layer.image_data_param().batch_size() : 0,
                         layer.window_data_param().batch_size(),
                         layer.hdf5_data_param().batch_size(),
                         layer.memory_data_param().batch_size()});
}

// N, C, H, W of the layer's images as far as it states them; 0 for what it does not state.
std::vector<int64_t> StatedShape(const proto::LayerParameter& layer) {
  const proto::TransformationParameter& transform = layer.transform_param();
  const proto::ImageDataParameter& image = layer.image_data_param();
  const proto::MemoryDataParameter& memory = layer.memory_data_param();
  const int64_t crop = FirstAboveZero({transform.crop_size(), layer.data_param().crop_size(),
                                       image.crop_size(), layer.window_data_param().crop_size()});
  const bool is_gray = transform.force_gray() || (image.has_is_color() && !image.is_color());
  const int64_t channels =
      FirstAboveZero({memory.channels(), transform.force_color() ? 3 : 0, is_gray ? 1 : 0});
  return {BatchSize(layer), channels, FirstAboveZero({crop, memory.height(), image.new_height()}),
          FirstAboveZero({crop, memory.width(), image.new_width()})};
}

// `asked`, with the layer's own number for each 0.
std::vector<int64_t> ImageShape(const proto::LayerParameter& layer,
                                const std::vector<int64_t>& asked) {
  const char* const names[] = {"batch size", "number of channels", "height", "width"};
  const std::vector<int64_t> stated = StatedShape(layer);
  std::vector<int64_t> shape = asked;
  for (size_t a = 0; a < shape.size(); ++a) {
    if (shape[a] > 0) continue;
    shape[a] = stated[a];
    if (shape[a] == 0) {
      Fail(InLayer(layer.name(), layer.type()), ": --dummy-data leaves the ", names[a],
           " to the net, which does not set it; use a number instead of 0");
    }
  }
  return shape;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::vector<std::string> dims;
  for (int64_t dim : shape) dims.push_back(dim == 0 ? "?" : std::to_string(dim));
  return Join(dims, "x");
}

// What is used instead of the layer's data, and what the net states if that differs.
std::string Describe(const proto::LayerParameter& layer, const std::vector<int64_t>& asked) {
  const std::vector<int64_t> used = ImageShape(layer, asked), stated = StatedShape(layer);
  std::string text = Concat("layer '", layer.name(), "' (", layer.type(), "): random images of ",
                            ShapeText(used), " instead of its data");
  bool differs = false;
  for (size_t a = 0; a < used.size(); ++a) {
    differs = differs || (stated[a] != 0 && stated[a] != used[a]);
  }
  if (differs) text += "; the net itself states " + ShapeText(stated);
  return text;
}

// Layers whose tops hold the values of their bottoms.
bool PassesValuesOn(const std::string& type) {
  for (const char* passing : {"Split", "Slice", "Reshape", "Flatten", "Concat", "Tile", "Crop"}) {
    if (type == passing) return true;
  }
  return false;
}

// The axis on which a layer finds the scores of classes.
int64_t ScoresAxis(const proto::LayerParameter& layer) {
  if (layer.type() == "Accuracy") return layer.accuracy_param().axis();
  if (layer.type() == "InfogainLoss") return layer.infogain_loss_param().axis();
  return layer.softmax_param().axis();
}

// The least number of scores that values of the blob are compared with; 1 where there are none.
int64_t ClassesOf(const Graph& graph, const std::string& label) {
  std::set<int> labels;
  int64_t classes = 0;
  for (size_t b = 0; b < graph.blobs.size(); ++b) {
    if (graph.blobs[b].name == label) labels.insert(static_cast<int>(b));
  }
  for (const LayerNode& node : graph.layers) {
    const auto is_label = [&](int blob) { return labels.count(blob) > 0; };
    if (PassesValuesOn(node.layer->type())) {
      const bool any = std::any_of(node.bottoms.begin(), node.bottoms.end(), is_label);
      if (any) labels.insert(node.tops.begin(), node.tops.end());
    } else if (node.bottoms.size() >= 2 && is_label(node.bottoms[1])) {
      const Shape& scores = graph.blobs[node.bottoms[0]].shape;
      int64_t axis = ScoresAxis(node.layer->config());
      if (axis < 0) axis += scores.rank();
      const int64_t count = axis >= 0 && axis < scores.rank() ? scores[static_cast<int>(axis)] : 1;
      classes = classes == 0 ? count : std::min(classes, count);
    }
  }
  return std::max<int64_t>(1, classes);
}

void AddTop(const std::vector<int64_t>& dims, double max, proto::DummyDataParameter* dummy) {
  proto::BlobShape* shape = dummy->add_shape();
  for (int64_t dim : dims) shape->add_dim(dim);
  proto::FillerParameter* filler = dummy->add_data_filler();
  filler->set_type("uniform");
  filler->set_min(0);
  filler->set_max(static_cast<float>(max));
}

// Images of up to 1, and labels that are all of class 0.
proto::LayerParameter RandomLayer(const proto::LayerParameter& layer,
                                  const std::vector<int64_t>& shape) {
  proto::LayerParameter random;
  random.set_name(layer.name());
  random.set_type("DummyData");
  *random.mutable_top() = layer.top();
  *random.mutable_include() = layer.include();
  *random.mutable_exclude() = layer.exclude();
  const std::vector<int64_t> images = ImageShape(layer, shape);
  for (int t = 0; t < layer.top_size(); ++t) {
    AddTop(t == 0 ? images : std::vector<int64_t>{images[0]}, 1, random.mutable_dummy_data_param());
  }
  return random;
}

using TopShapes = std::vector<std::vector<int64_t>>;

// The entry for a top in a list of options; null if there are not one for all or one for each,
// which the net itself refuses.
template <class List>
const typename List::value_type* EntryFor(const List& list, int top, int tops) {
  if (list.size() != 1 && list.size() != tops) return nullptr;
  return &list.Get(list.size() == 1 ? 0 : top);
}

std::vector<int64_t> OldShape(const proto::DummyDataParameter& dummy, int top, int tops) {
  std::vector<int64_t> shape;
  for (const auto* list : {&dummy.num(), &dummy.channels(), &dummy.height(), &dummy.width()}) {
    const uint32_t* const extent = EntryFor(*list, top, tops);
    if (extent == nullptr) return {};
    shape.push_back(*extent);
  }
  return shape;
}

// What a layer that makes blobs of any shape states of each of its tops; empty for other layers.
TopShapes ShapesMade(const proto::LayerParameter& layer) {
  const bool is_dummy = layer.type() == "DummyData";
  if (!is_dummy && layer.type() != "Input") return {};
  const auto& shapes = is_dummy ? layer.dummy_data_param().shape() : layer.input_param().shape();
  TopShapes made;
  for (int t = 0; t < layer.top_size(); ++t) {
    if (const proto::BlobShape* shape = EntryFor(shapes, t, layer.top_size())) {
      made.emplace_back(shape->dim().begin(), shape->dim().end());
    } else {
      made.push_back(OldShape(layer.dummy_data_param(), t, layer.top_size()));
      if (made.back().empty()) return {};
    }
  }
  return made;
}

void SetShapes(const TopShapes& shapes, proto::LayerParameter* layer) {
  proto::InputParameter texts;  // only for its field
  for (const std::vector<int64_t>& shape : shapes) {
    proto::BlobShape* const text = texts.add_shape();
    for (int64_t dim : shape) text->add_dim(dim);
  }
  if (layer->type() == "Input") {
    *layer->mutable_input_param()->mutable_shape() = texts.shape();
    return;
  }
  proto::DummyDataParameter* const dummy = layer->mutable_dummy_data_param();
  *dummy->mutable_shape() = texts.shape();
  dummy->clear_num();
  dummy->clear_channels();
  dummy->clear_height();
  dummy->clear_width();
}

// Not the labels of old nets, N x 1 x 1 x 1.
bool IsImages(const std::vector<int64_t>& shape) {
  return shape.size() == 4 && std::max({shape[1], shape[2], shape[3]}) > 1;
}

// The channels last, or of other images.
[[noreturn]] void FailChannels(const proto::LayerParameter& layer, const std::vector<int64_t>& own,
                               const std::vector<int64_t>& asked) {
  const bool is_last = asked[3] == own[1];
  const std::vector<int64_t> instead = {asked[0], own[1], asked[is_last ? 1 : 2],
                                        asked[is_last ? 2 : 3]};
  const auto text = [](const std::vector<int64_t>& shape) {
    return Concat(shape[0], "x", shape[1], "x", shape[2], "x", shape[3]);
  };
  Fail(InLayer(layer.name(), layer.type()), ": --dummy-data=", text(asked), " (N x C x H x W) has ",
       Counted(asked[1], "channel"), ", but the net's images, ", text(own), ", have ", own[1],
       "; use --dummy-data=", text(instead));
}

bool IsInState(const proto::LayerParameter& layer, const proto::NetState& state) {
  proto::NetParameter alone;
  *alone.mutable_state() = state;
  *alone.add_layer() = layer;
  return FilterLayers(alone).layer_size() > 0;
}

// Gives the images of a net without data sets, which Input or DummyData layers make, the shape
// `asked`, and what else they make for each image the same batch size.
std::vector<std::string> ReshapeImages(const std::vector<int64_t>& asked,
                                       proto::NetParameter* net) {
  std::vector<proto::LayerParameter*> sources;
  std::vector<int64_t> own;  // the images' shape
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (!IsInState(layer, net->state())) continue;
    sources.push_back(&layer);
    for (const std::vector<int64_t>& shape : ShapesMade(layer)) {
      if (!IsImages(shape)) continue;
      if (own.empty()) own = shape;
      if (shape == own) continue;
      Fail(InLayer(layer.name(), layer.type()), ": --dummy-data cannot tell which are the images, ",
           "because the net has inputs of ", ShapeText(own), " and of ", ShapeText(shape),
           "; leave it out and change the shapes in the net's file");
    }
  }
  std::vector<std::string> changes;
  if (own.empty()) return changes;
  std::vector<int64_t> images = asked;
  for (size_t a = 0; a < images.size(); ++a) images[a] = asked[a] == 0 ? own[a] : asked[a];
  for (proto::LayerParameter* layer : sources) {
    TopShapes shapes = ShapesMade(*layer);
    for (std::vector<int64_t>& shape : shapes) {
      if (shape == own) {
        if (images[1] != own[1]) FailChannels(*layer, own, asked);
        shape = images;
        changes.push_back(Concat("layer '", layer->name(), "' (", layer->type(), "): images of ",
                                 ShapeText(images), "; the net itself states ", ShapeText(own)));
      } else if (!shape.empty() && shape[0] == own[0]) {
        shape[0] = images[0];
      }
    }
    if (!shapes.empty()) SetShapes(shapes, layer);
  }
  return changes;
}

}  // namespace

std::vector<int64_t> ParseDummyShape(const std::string& text) {
  long long n, c, h, w;
  int end = 0;
  const int read = std::sscanf(text.c_str(), "%lldx%lldx%lldx%lld%n", &n, &c, &h, &w, &end);
  if (read != 4 || end != static_cast<int>(text.size()) || std::min({n, c, h, w}) < 0) {
    Fail("--dummy-data=", text, " is not a shape N x C x H x W, such as 4x3x224x224");
  }
  return {n, c, h, w};
}

// How many classes there are is known only when the net's shapes are: it is compiled once for that.
std::vector<std::string> ReplaceDataLayers(const std::vector<int64_t>& shape,
                                           proto::NetParameter* net) {
  std::vector<std::string> changes;
  const proto::NetParameter of_phase = FilterLayers(*net);
  for (const proto::LayerParameter& layer : of_phase.layer()) {
    if (ReadsData(layer)) changes.push_back(Describe(layer, shape));
  }
  if (changes.empty()) return ReshapeImages(shape, net);
  std::vector<proto::LayerParameter*> replaced;
  for (proto::LayerParameter& layer : *net->mutable_layer()) {
    if (!ReadsData(layer)) continue;
    layer = RandomLayer(layer, shape);
    replaced.push_back(&layer);
  }
  CompileOptions options;
  options.backward = false;
  const Graph graph = CompileNet(*net, DeviceKind::kCpu, options);
  for (proto::LayerParameter* layer : replaced) {
    for (int t = 1; t < layer->top_size(); ++t) {
      const auto classes = static_cast<float>(ClassesOf(graph, layer->top(t)));
      layer->mutable_dummy_data_param()->mutable_data_filler(t)->set_max(classes);
    }
  }
  return changes;
}

}  // namespace crema
