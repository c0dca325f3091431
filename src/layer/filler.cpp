#include "crema/dev/filler.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <numeric>
#include <stdexcept>

#include "base/checked.h"
#include "base/strings.h"
#include "crema.pb.h"
#include "crema/dev/host_tasks.h"
#include "crema/dev/philox.h"
#include "crema/error.h"

namespace crema {
namespace {

// Two independent normal values from two words (Box and Muller 1958).
void NormalsOf(uint32_t first, uint32_t second, float normals[2]) {
  const double u = (first + 1.0) * (1.0 / 4294967296.0);
  const double angle = second * (6.283185307179586 / 4294967296.0);
  const double radius = std::sqrt(-2.0 * std::log(u));
  normals[0] = static_cast<float>(radius * std::cos(angle));
  normals[1] = static_cast<float>(radius * std::sin(angle));
}

// Fans as Caffe counts them: a missing axis is 1.
double Fan(const FillerSpec& spec, const Shape& shape) {
  const auto axis = [&](int i) { return i < shape.rank() ? shape[i] : 1; };
  const double count = static_cast<double>(shape.count());
  const double fan_in = count / static_cast<double>(axis(0));
  const double fan_out = count / static_cast<double>(axis(1));
  switch (spec.variance_norm) {
    case FillerSpec::Norm::kFanIn: return fan_in;
    case FillerSpec::Norm::kFanOut: return fan_out;
    case FillerSpec::Norm::kAverage: return (fan_in + fan_out) / 2;
  }
  return fan_in;
}

class Filling {
 public:
  Filling(const FillerSpec& spec, const Shape& shape, uint64_t mixed)
      : spec_(spec), shape_(shape), mixed_(mixed), values_(static_cast<size_t>(shape.count())) {}

  std::vector<float> Run(const std::string& owner) {
    if (values_.empty()) return values_;
    if (spec_.type == "constant") values_.assign(values_.size(), spec_.value);
    if (spec_.type == "uniform") Uniform(spec_.min, spec_.max);
    if (spec_.type == "gaussian") Gaussian(spec_.mean, spec_.std);
    if (spec_.type == "xavier") {
      const auto limit = static_cast<float>(std::sqrt(3.0 / Fan(spec_, shape_)));
      Uniform(-limit, limit);
    }
    if (spec_.type == "msra") {
      Gaussian(0, static_cast<float>(std::sqrt(2.0 / Fan(spec_, shape_))));
    }
    if (spec_.type == "positive_unitball") PositiveUnitball();
    if (spec_.type == "bilinear") Bilinear(owner);
    return std::move(values_);
  }

 private:
  // Calls f(block, first, count) for all blocks of random words, the values from `first` on being
  // made of each, on several threads: large nets have many weights.
  template <class F>
  void ForBlocks(size_t values_per_block, const F& f) {
    const size_t blocks = (values_.size() + values_per_block - 1) / values_per_block;
    constexpr size_t kBlocksPerTask = 1 << 14;
    const size_t tasks = (blocks + kBlocksPerTask - 1) / kBlocksPerTask;
    HostTasks(CheckedInt(static_cast<int64_t>(tasks), "the size of a filler"), [&](int task) {
      const size_t begin = static_cast<size_t>(task) * kBlocksPerTask;
      for (size_t b = begin; b < std::min(blocks, begin + kBlocksPerTask); ++b) {
        const size_t first = b * values_per_block;
        f(Block(b), first, std::min(values_per_block, values_.size() - first));
      }
    });
  }

  // The words of the indices 4 * block .. 4 * block + 3, see RandomBits.
  Philox4 Block(uint64_t block) const {
    return Philox(static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0,
                  static_cast<uint32_t>(mixed_), static_cast<uint32_t>(mixed_ >> 32));
  }

  void Uniform(float min, float max) {
    ForBlocks(4, [&](const Philox4& random, size_t first, size_t count) {
      for (size_t j = 0; j < count; ++j) {
        values_[first + j] =
            min + (max - min) * (static_cast<float>(random.word[j] >> 8) * (1.0f / 16777216.0f));
      }
    });
  }

  void Gaussian(float mean, float std) {
    ForBlocks(4, [&](const Philox4& random, size_t first, size_t count) {
      float normals[4];
      NormalsOf(random.word[0], random.word[1], normals);
      NormalsOf(random.word[2], random.word[3], normals + 2);
      for (size_t j = 0; j < count; ++j) values_[first + j] = mean + std * normals[j];
    });
    if (spec_.sparse < 0) return;
    // Each value is kept with the probability that leaves `sparse` inputs per output.
    const double outputs = static_cast<double>(Outputs());
    const double keep = static_cast<double>(spec_.sparse) / outputs;
    for (size_t i = 0; i < values_.size(); ++i) {
      if (RandomUniform(mixed_, 1, i) >= keep) values_[i] = 0;
    }
  }

  // The first axis; a scalar is one output.
  int64_t Outputs() const { return shape_.rank() > 0 ? shape_[0] : 1; }

  // Positive values that sum to 1 over the inputs of each output.
  void PositiveUnitball() {
    Uniform(0, 1);
    const auto rows = static_cast<size_t>(Outputs());
    const size_t dim = values_.size() / rows;
    for (size_t r = 0; r < rows; ++r) {
      float* const row = values_.data() + r * dim;
      const double sum = std::accumulate(row, row + dim, 0.0);
      // The values drawn may all be 0.
      const auto share = [&](float x) {
        return sum > 0 ? x / sum : 1.0 / static_cast<double>(dim);
      };
      std::transform(row, row + dim, row, [&](float x) { return static_cast<float>(share(x)); });
    }
  }

  // The kernel that makes Deconvolution an interpolation (Long, Shelhamer, Darrell 2015).
  void Bilinear(const std::string& owner) {
    if (shape_.rank() != 4 || shape_[2] != shape_[3]) {
      Fail(owner,
           ": the bilinear filler needs a 4-D parameter with a square kernel, but the shape "
           "is ",
           shape_.ToString());
    }
    const int64_t side = shape_[3];
    const double f = std::ceil(side / 2.0);
    const double c = static_cast<double>(side - 1) / (2 * f);
    for (size_t i = 0; i < values_.size(); ++i) {
      const auto x = static_cast<double>(static_cast<int64_t>(i) % side);
      const auto y = static_cast<double>(static_cast<int64_t>(i) / side % side);
      values_[i] = static_cast<float>((1 - std::fabs(x / f - c)) * (1 - std::fabs(y / f - c)));
    }
  }

  const FillerSpec& spec_;
  const Shape& shape_;
  uint64_t mixed_;
  std::vector<float> values_;
};

}  // namespace

FillerSpec ToFillerSpec(const proto::FillerParameter& parameter, const std::string& owner) {
  static const std::vector<std::string> types = {
      "constant", "uniform", "gaussian", "positive_unitball", "xavier", "msra", "bilinear"};
  bool known = false;
  for (const std::string& type : types) known = known || type == parameter.type();
  if (!known) {
    const std::string near = Nearest(parameter.type(), types);
    Fail(owner, ": unknown filler '", parameter.type(), "'; ",
         near.empty() ? "" : "did you mean '" + near + "'? ", "the fillers are ", Join(types));
  }
  if (parameter.sparse() != -1 && parameter.type() != "gaussian") {
    Fail(owner, ": sparse works only with the gaussian filler, not with '", parameter.type(), "'");
  }
  if (parameter.sparse() < -1) {
    Fail(owner, ": sparse is ", parameter.sparse(),
         ", but must be at least 0, or -1 for all inputs");
  }
  FillerSpec spec;
  spec.type = parameter.type();
  spec.value = parameter.value();
  spec.min = parameter.min();
  spec.max = parameter.max();
  spec.mean = parameter.mean();
  spec.std = parameter.std();
  spec.sparse = parameter.sparse();
  switch (parameter.variance_norm()) {
    case proto::FillerParameter::FAN_IN: spec.variance_norm = FillerSpec::Norm::kFanIn; break;
    case proto::FillerParameter::FAN_OUT: spec.variance_norm = FillerSpec::Norm::kFanOut; break;
    case proto::FillerParameter::AVERAGE: spec.variance_norm = FillerSpec::Norm::kAverage; break;
  }
  return spec;
}

std::vector<float> Fill(const FillerSpec& spec, const Shape& shape, uint64_t seed, uint64_t key,
                        const std::string& owner) {
  try {
    return Filling(spec, shape, MixKeys(seed, key)).Run(owner);
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {  // more than a vector can hold
  }
  Fail(owner, ": out of memory: cannot fill its ", shape.count(), " values; make it smaller");
}

}  // namespace crema
