#include "data/mean.h"

#include <glog/logging.h>

#include "crema.pb.h"
#include "crema/error.h"
#include "schema/binary_io.h"

namespace crema {
namespace {

void AddImage(const Image& image, std::vector<double>* sums) {
  const int64_t plane = int64_t{image.size.height} * image.size.width;
  double* sum = sums->data();
  for (int c = 0; c < image.size.channels; ++c, sum += plane) {
    if (image.floats != nullptr) {
      const float* in = image.floats + c * plane;
      for (int64_t i = 0; i < plane; ++i) sum[i] += in[i];
    } else {
      const int64_t stride = image.interleaved ? image.size.channels : 1;
      const uint8_t* in = image.bytes + (image.interleaved ? c : c * plane);
      for (int64_t i = 0; i < plane; ++i) sum[i] += in[i * stride];
    }
  }
}

MeanImage Divide(const std::vector<double>& sums, const ImageSize& size, uint64_t records) {
  MeanImage mean;
  mean.records = records;
  mean.size = size;
  const int64_t plane = int64_t{size.height} * size.width;
  for (double sum : sums) mean.values.push_back(static_cast<float>(sum / records));
  for (int c = 0; c < size.channels; ++c) {
    double total = 0;
    for (int64_t i = 0; i < plane; ++i) total += mean.values[c * plane + i];
    mean.channels.push_back(static_cast<float>(total / plane));
  }
  return mean;
}

}  // namespace

MeanImage ComputeMean(Backend backend, const std::string& database,
                      const std::function<void(uint64_t done, uint64_t all)>& progress) {
  const std::shared_ptr<RecordSource> source = OpenRecordSource(backend, database);
  const std::unique_ptr<RecordCursor> cursor = source->NewCursor();
  DatumDecoder decoder(ColorMode::kAsStored, source->title());
  std::vector<double> sums;
  ImageSize size;
  Record record;
  LOG(INFO) << "Starting iteration";
  for (bool more = cursor->First(); more; more = cursor->Next(), ++record.number) {
    record.key = cursor->key();
    cursor->CopyValue(&record.value);
    const Image& image = decoder.Decode(record);
    if (record.number == 0) {
      size = image.size;
      sums.resize(static_cast<size_t>(size.count()));
    }
    if (image.size != size) {
      Fail(NameRecord(source->title(), record), " has size ", image.size.ToString(),
           " (channels x height x width), but the first record has ", size.ToString(),
           "; a mean needs images of one size, so recreate the database with --resize_height and "
           "--resize_width");
    }
    AddImage(image, &sums);
    if (progress) progress(record.number + 1, source->KnownCount().value_or(0));
    if ((record.number + 1) % 10000 == 0)
      LOG(INFO) << Concat("Processed ", record.number + 1, " files.");
  }
  if (record.number % 10000 != 0) LOG(INFO) << Concat("Processed ", record.number, " files.");
  return Divide(sums, size, record.number);
}

void WriteMeanFile(const MeanImage& mean, const std::string& path) {
  proto::BlobProto blob;  // in the old form of the shape, as Caffe's tool writes it
  blob.set_num(1);
  blob.set_channels(mean.size.channels);
  blob.set_height(mean.size.height);
  blob.set_width(mean.size.width);
  blob.mutable_data()->Add(mean.values.begin(), mean.values.end());
  WriteFileAtomically(path, SerializeToBytes(blob, path));
}

}  // namespace crema
