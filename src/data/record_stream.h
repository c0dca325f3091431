// The endless order in which a net sees the records of a database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/record_source.h"

namespace crema {

// The order of `count` things in epoch after epoch: each epoch is a permutation that depends on
// (random, epoch) alone. Fisher and Yates' shuffle on counted random numbers.
class ShuffledOrder {
 public:
  // `count` is at least 1 and fits in 32 bits.
  ShuffledOrder(uint64_t count, uint64_t random);
  // Cheap within an epoch; each change of the epoch costs a shuffle.
  uint64_t operator[](uint64_t ordinal);

 private:
  void Shuffle(uint64_t epoch);

  uint64_t random_;
  uint64_t epoch_;
  std::vector<uint32_t> order_;
};

// One record as it comes from the database.
struct Record {
  uint64_t ordinal = 0;  // how many records the stream gave before it
  uint64_t number = 0;   // its place in the database
  std::string key, value;
};

// Gives the records of a source one after the other, for ever. Used by one thread at a time.
class RecordStream {
 public:
  // Goes on after `ordinal` records. `skip` records of the very first epoch are left out: record
  // `skip` has ordinal 0. `random` is the key of the random numbers; used only to shuffle.
  RecordStream(std::shared_ptr<RecordSource> source, bool shuffle, uint64_t random,
               uint64_t skip = 0, uint64_t ordinal = 0);

  // Gives the next `count` records; many at once are cheaper, if they are shuffled. Throws Error
  // where one is damaged, or where another process has changed the database.
  void Next(Record* records, size_t count = 1);

  const RecordSource& source() const { return *source_; }

 private:
  void StepTo(uint64_t place);
  void Step();
  void ReadInOrder(Record* record);
  void ReadShuffled(Record* record);

  std::shared_ptr<RecordSource> source_;
  std::unique_ptr<RecordCursor> cursor_;
  std::unique_ptr<ShuffledOrder> order_;  // null: the database's order
  const KeyIndex* keys_ = nullptr;        // to shuffle
  bool trusts_places_ = true;             // that the keys came with
  uint64_t skip_, ordinal_;
  uint64_t number_ = 0;  // where the cursor is, in the database's order
};

}  // namespace crema
