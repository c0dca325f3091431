#include "data/record_stream.h"

#include <limits>
#include <numeric>
#include <utility>

#include "crema/base/error.h"
#include "crema/math/philox.h"

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
    const uint64_t count = source_->Keys().size();
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

void RecordStream::Next(Record* record) {
  record->ordinal = ordinal_++;
  if (order_ != nullptr) {
    record->number = (*order_)[skip_ + record->ordinal];
    const std::string_view key = source_->Keys()[record->number];
    if (!cursor_->Find(key)) {
      FailDatabase(source_->title(), "read",
                   Concat("record ", record->number,
                          " has disappeared; do not change a database while it is in use"));
    }
  } else {
    record->number = number_;
  }
  record->key = cursor_->key();
  cursor_->CopyValue(&record->value);
  if (order_ == nullptr) Step();
}

}  // namespace crema
