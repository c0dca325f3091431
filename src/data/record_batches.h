// Batches from a database: records are decoded and transformed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/prefetcher.h"
#include "data/transformer.h"

namespace crema {

// What the batches of one Data layer have in common.
struct RecordBatchOptions {
  std::string owner;  // begins the sentences of errors
  std::shared_ptr<RecordSource> source;
  std::shared_ptr<const Transformer> transformer;
  ImageSize size;  // of every transformed record
  int batch_size = 0;
  bool with_labels = false;
  bool shuffle = false;
  uint64_t seed = 0, key = 0;  // of all random numbers
  uint64_t rand_skip = 0;      // at the start leave out a random number of records, below this
  uint64_t position = 0;       // how many records earlier batches have used
  int workers = 1;
  std::shared_ptr<FlawLog> flaws = std::make_shared<FlawLog>();
};

// Goes through the records again and again. What Read and Make find wrong with a record they throw.
std::unique_ptr<BatchMaker> MakeRecordBatches(const RecordBatchOptions& options);

// What shuffled records take of memory beside their values: keys, places and the order. 0 where the
// number of records is not known before all are read. `key_bytes`: of a key.
size_t BytesToShuffle(const RecordSource& source, size_t key_bytes);

// What the first record tells of the others.
struct FirstRecord {
  ImageSize size;  // when it is transformed
  bool encoded;    // it is compressed
  size_t key_bytes;
};
// Decodes that record. Throws Error if it cannot be; warns if the transformer wants colours changed
// of records that are not compressed.
FirstRecord InspectFirstRecord(RecordSource& source, const Transformer& transformer,
                               std::shared_ptr<FlawLog> flaws = std::make_shared<FlawLog>());

}  // namespace crema
