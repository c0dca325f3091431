// HDF5Data: batches of rows from HDF5 files; each top is the dataset of its name.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/counts_records.h"
#include "crema/dev/philox.h"
#include "crema/dev/registry.h"
#include "data/hdf5_rows.h"
#include "layers/shared/data/record_layer.h"
#include "layers/shared/data/upload.h"

namespace crema {
namespace {

class Hdf5DataLayer : public RecordLayer, public CountsRecords {
 public:
  Hdf5DataLayer(const proto::LayerParameter& config, Phase phase) : RecordLayer(config, phase) {
    const proto::HDF5DataParameter& data = config.hdf5_data_param();
    if (data.source().empty()) Fail("hdf5_data_param has no `source`; set it to a list of files");
    CheckGiven(Title() + ": batch_size", data.has_batch_size(), data.batch_size(), 1, 1 << 30);
    if (config.has_transform_param()) {
      Fail(
          "transform_param is not supported; remove it, and transform the data when you create the "
          "files");
    }
  }

  LayerTraits traits() const override { return LayerTraits::Source(1, -1); }

  LayerPlan Plan(const PlanInput&) override {
    const proto::HDF5DataParameter& data = config().hdf5_data_param();
    if (rows_ == nullptr) {
      const std::vector<std::string> tops(config().top().begin(), config().top().end());
      rows_ = std::make_unique<Hdf5Rows>(data.source(), tops, data.shuffle(), Title());
    }
    LayerPlan plan;
    for (int t = 0; t < config().top_size(); ++t) {
      std::vector<int64_t> dims = {data.batch_size()};
      const std::vector<int64_t>& row = rows_->row_shape(static_cast<size_t>(t));
      dims.insert(dims.end(), row.begin(), row.end());
      plan.tops.push_back(Shape(dims));
    }
    plan.host_bytes = rows_->bytes();
    return plan;
  }

  std::optional<double> waited_seconds() const override { return waited_.count(); }

  uint64_t records() const override { return rows_->count(); }

 protected:
  void Open(Context& ctx) override { random_ = MixKeys(ctx.seed(), random_key()); }
  void GoTo(uint64_t position) override { rows_->Seek(random_, position); }

  void FillTops(Context& ctx, const BlobList& top) override {
    std::vector<std::vector<float>> batch(top.size());
    const auto start = std::chrono::steady_clock::now();
    try {
      for (int r = 0; r < rank().count; ++r) {
        std::vector<std::vector<float>> read(top.size());
        for (uint32_t i = 0; i < config().hdf5_data_param().batch_size(); ++i) rows_->Next(&read);
        if (r == rank().index) batch = std::move(read);
      }
    } catch (...) {
      GoTo(*position());  // the batch's rows come again
      throw;
    }
    waited_ += std::chrono::steady_clock::now() - start;
    for (size_t t = 0; t < top.size(); ++t) Upload(ctx, batch[t], *top[t]);
  }

 private:
  std::unique_ptr<Hdf5Rows> rows_;
  uint64_t random_ = 0;
  std::chrono::duration<double> waited_{0};  // rows are read when they are asked for
};

CREMA_REGISTER_LAYER("HDF5Data", Hdf5DataLayer);

}  // namespace
}  // namespace crema
