// A part of a LevelDB that is in order of its own: a level of tables, or the late changes.
#pragma once

#include <string_view>

#include "data/leveldb_format.h"
#include "data/record_source.h"

namespace crema {

// A place in a part. Used by one thread. Throws Error where the part is damaged.
class LevelDbPart {
 public:
  virtual ~LevelDbPart() = default;
  // These move, and return whether there is such an entry.
  virtual bool First() = 0;
  virtual bool Next() = 0;
  // To the first entry whose key is at or after `key`.
  virtual bool Seek(const LevelDbKey& key) = 0;
  // Valid until the part moves.
  virtual const LevelDbKey& key() const = 0;
  virtual std::string_view value() = 0;
  // Where the value is, for LevelDbValues: file n is log n or, after the logs, a table.
  virtual RecordPlace place() const = 0;
};

}  // namespace crema
