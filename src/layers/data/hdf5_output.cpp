// HDF5Output: writes its two bottoms to a file, as the datasets "data" and "label"; each pass adds
// its items behind those of the passes before.
#include <memory>

#include "crema.pb.h"
#include "crema/dev/host_layer.h"
#include "crema/dev/registry.h"
#include "crema/dev/writes_file.h"
#include "schema/hdf5_output_file.h"

namespace crema {
namespace {

class Hdf5OutputLayer : public HostLayer, public WritesFile {
 public:
  Hdf5OutputLayer(const proto::LayerParameter& config, Phase phase) : HostLayer(config, phase) {
    if (!file_name().empty()) return;
    Fail("has no file_name; set one, as in hdf5_output_param { file_name: \"features.h5\" }");
  }

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.min_bottoms = traits.max_bottoms = 2;
    traits.min_tops = traits.max_tops = 0;
    traits.has_backward = false;
    traits.zero_gradient_bottoms = {0, 1};
    traits.can_recompute = false;  // the file would hold the items twice
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    for (const Shape& bottom : input.Shapes()) {
      if (bottom.rank() == 0 || bottom[0] != input.shape(0)[0]) {
        Fail("bottom 0 has shape ", input.shape(0).ToString(), " and bottom 1 has shape ",
             input.shape(1).ToString(), "; they must have the same number of items (axis 0)");
      }
    }
    return {};
  }

  // Only looks whether a file could be made: the run may yet fail.
  void Start(Context&) override { file_ = std::make_unique<Hdf5OutputFile>(file_name()); }

  const std::string& file_name() const override { return config().hdf5_output_param().file_name(); }
  void FinishFile() override { file_->Finish(); }
  void DropFile() override { file_->Drop(); }

 protected:
  void ForwardOnHost(HostBlobs& bottom, HostBlobs&) override {
    const char* names[] = {"data", "label"};
    for (int b : {0, 1}) {
      const std::vector<float> values = bottom[b].data.Values<float>();
      file_->Append(names[b], FourAxes(bottom[b].shape()), values.data());
    }
    file_->Flush();
  }

 private:
  // Caffe's files have four axes at least.
  static std::vector<int64_t> FourAxes(const Shape& shape) {
    std::vector<int64_t> dims = shape.dims();
    while (dims.size() < 4) dims.push_back(1);
    return dims;
  }

  std::unique_ptr<Hdf5OutputFile> file_;
};

CREMA_REGISTER_LAYER("HDF5Output", Hdf5OutputLayer);

}  // namespace
}  // namespace crema
