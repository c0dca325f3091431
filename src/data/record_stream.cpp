#include "data/record_stream.h"

#include <glog/logging.h>

#include <limits>
#include <numeric>
#include <utility>

#include "crema/dev/philox.h"
#include "crema/error.h"

namespace crema {

ShuffledOrder::ShuffledOrder(uint64_t count, uint64_t random) : random_(random), order_(count) {
  Shuffle(0);
}

void ShuffledOrder::Shuffle(uint64_t epoch) {
  epoch_ = epoch;
  std::iota(order_.begin(), order_.end(), 0u);
  for (size_t i = order_.size() - 1; i > 0; --i) {
    std::swap(order_[i], order_[RandomBelow(random_, epoch, i, static_cast<uint32_t>(i + 1))]);
  }
}

uint64_t ShuffledOrder::operator[](uint64_t ordinal) {
  const uint64_t epoch = ordinal / order_.size();
  if (epoch != epoch_) Shuffle(epoch);
  return order_[ordinal % order_.size()];
}

RecordStream::RecordStream(std::shared_ptr<RecordSource> source, bool shuffle, uint64_t random,
                           uint64_t skip, uint64_t ordinal)
    : source_(std::move(source)), cursor_(source_->NewCursor()), skip_(skip), ordinal_(ordinal) {
  if (shuffle) {
    keys_ = &source_->Keys();
    const uint64_t count = keys_->size();
    if (count > std::numeric_limits<uint32_t>::max()) {
      Fail(source_->title(), " has ", count, " records, but at most 2^32 - 1 can be shuffled");
    }
    order_ = std::make_unique<ShuffledOrder>(count, random);
  } else {
    StepTo(skip + ordinal);
  }
}

// Moves from the start over `place` records. What the first lap costs is all that it costs.
void RecordStream::StepTo(uint64_t place) {
  if (const auto count = source_->KnownCount()) place %= *count;
  if (!cursor_->First()) FailDatabase(source_->title(), "read", "its first record has disappeared");
  for (; place > 0; --place) {
    const uint64_t before = number_;
    Step();
    if (number_ == 0) place = (place - 1) % (before + 1) + 1;  // before + 1 records in all
  }
}

void RecordStream::Step() {
  ++number_;
  if (cursor_->Next()) return;
  number_ = 0;
  if (!cursor_->First()) FailDatabase(source_->title(), "read", "its first record has disappeared");
}

void RecordStream::ReadInOrder(Record* record) {
  record->number = number_;
  record->key = cursor_->key();
  cursor_->CopyValue(&record->value);
  Step();
}

void RecordStream::ReadShuffled(Record* record) {
  record->number = (*order_)[skip_ + record->ordinal];
  record->key = (*keys_)[record->number];
  const RecordPlace& place = keys_->place(record->number);
  if (trusts_places_ && place.is_known()) {
    cursor_->ReadAt(place, &record->value);
    return;
  }
  if (!cursor_->Find(record->key)) {
    FailDatabase(source_->title(), "read",
                 Concat("record ", record->number,
                        " has disappeared; do not change a database while it is in use"));
  }
  cursor_->CopyValue(&record->value);
}

void RecordStream::Next(Record* records, size_t count) {
  const uint64_t first = ordinal_;
  const auto read = [&] {
    for (size_t i = 0; i < count; ++i) {
      records[i].ordinal = first + i;
      if (order_ == nullptr) {
        ReadInOrder(&records[i]);
      } else {
        ReadShuffled(&records[i]);
      }
    }
  };
  read();
  ordinal_ += count;
  if (order_ == nullptr) return;
  if (trusts_places_ && !cursor_->IsAsListed()) {
    LOG(WARNING) << source_->title() << ": a file of it has been touched since it was opened, so "
                 << "from now on each page is checked again when it is read, which is slower";
    trusts_places_ = false;
    read();
  }
  cursor_->Verify();
}

}  // namespace crema
