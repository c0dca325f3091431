#include <glog/logging.h>

#include <cstdio>

#include "crema.pb.h"
#include "crema/dev/philox.h"
#include "crema/error.h"
#include "data/convert.h"
#include "data/mnist_files.h"
#include "data/record_writer.h"

namespace crema {
namespace {

// Writes `count` records of the shape in `datum`; `make` appends the values and sets the label of
// each.
template <class Make>
uint64_t WriteRecords(Backend backend, const std::string& database, uint32_t count,
                      proto::Datum datum, const StopRequest& stop, Make make) {
  RecordWriter writer(backend, database);
  for (uint32_t i = 0; i < count; ++i) {
    StopIfAsked(stop, i, count);
    datum.mutable_data()->clear();
    make(i, &datum);
    char key[16];
    std::snprintf(key, sizeof key, "%08u", i);
    writer.Put(key, datum.SerializeAsString());
    if ((i + 1) % 10000 == 0) LOG(INFO) << Concat("Processed ", i + 1, " files.");
  }
  writer.Finish();
  if (count % 10000 != 0) LOG(INFO) << Concat("Processed ", count, " files.");
  return writer.count();
}

proto::Datum DatumFor(const MnistFiles& files, int channels) {
  proto::Datum datum;
  datum.set_channels(channels);
  datum.set_height(files.rows());
  datum.set_width(files.columns());
  return datum;
}

}  // namespace

uint64_t ConvertMnist(const std::string& images, const std::string& labels,
                      const std::string& database, Backend backend, const StopRequest& stop) {
  MnistFiles files(images, labels);
  return WriteRecords(backend, database, files.count(), DatumFor(files, 1), stop,
                      [&](uint32_t, proto::Datum* datum) {
                        int label;
                        files.Read(datum->mutable_data(), &label);
                        datum->set_label(label);
                      });
}

uint64_t ConvertMnistPairs(const std::string& images, const std::string& labels,
                           const std::string& database, Backend backend, uint64_t seed,
                           const StopRequest& stop) {
  MnistFiles files(images, labels);
  const uint64_t bytes = files.image_bytes();
  std::string pixels;
  std::vector<uint8_t> classes;
  for (uint32_t i = 0; i < files.count(); ++i) {
    int label;
    files.Read(&pixels, &label);
    classes.push_back(static_cast<uint8_t>(label));
  }
  return WriteRecords(backend, database, files.count(), DatumFor(files, 2), stop,
                      [&](uint32_t i, proto::Datum* datum) {
                        const uint32_t a = RandomBelow(seed, 0, 2 * uint64_t{i}, files.count());
                        const uint32_t b = RandomBelow(seed, 0, 2 * uint64_t{i} + 1, files.count());
                        datum->mutable_data()->append(pixels, a * bytes, bytes);
                        datum->mutable_data()->append(pixels, b * bytes, bytes);
                        datum->set_label(classes[a] == classes[b] ? 1 : 0);
                      });
}

}  // namespace crema
