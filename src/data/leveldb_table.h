// A table of a LevelDB: a file of blocks, ordered by key.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "data/data_file.h"
#include "data/leveldb_version.h"
#include "data/scratch_bytes.h"

namespace crema {

// An open table. Any thread may call it; all functions throw Error where it is damaged.
class LevelDbTable {
 public:
  // `files` outlives it.
  LevelDbTable(const std::string& folder, const LevelDbTableFile& file, const std::string& title,
               OpenFiles* files);

  const DataFile& file() const { return file_; }
  // The block that holds, for each other block, the last key and the place.
  std::string_view index() const { return index_; }

  // Where a block is.
  struct Extent {
    uint64_t offset, size;  // without what stands behind the block
  };
  Extent ExtentOf(std::string_view place) const;  // `place` is a value of the index

  // Reads and checks the block at `place`, which is a value of the index. The result is in `window`
  // or `unpacked`.
  std::string_view ReadBlock(std::string_view place, FileWindow* window,
                             ScratchBytes* unpacked) const;
  // The same, without reading ahead; the result is in `stored` or `unpacked`.
  std::string_view ReadBlock(const Extent& at, ScratchBytes* stored, ScratchBytes* unpacked) const;

 private:
  std::string_view Unpack(const Extent& at, const char* stored, ScratchBytes* unpacked) const;

  DataFile file_;
  std::string index_;
};

// The tables of a database, of which some have their indexes in memory. Any thread may call it.
class LevelDbTables {
 public:
  // `files` outlives it.
  LevelDbTables(const std::string& folder, const std::string& title, OpenFiles* files)
      : folder_(folder), title_(title), files_(files) {}

  std::shared_ptr<const LevelDbTable> Get(const LevelDbTableFile& file);
  // Whether nobody has written to a table since it was opened for the first time, as far as the
  // system tells.
  bool IsUnchanged(const LevelDbTableFile& file);

 private:
  struct Entry {
    std::shared_ptr<const LevelDbTable> table;
    std::list<uint64_t>::iterator use;
  };

  const std::string folder_, title_;
  OpenFiles* const files_;
  std::mutex mutex_;
  std::map<uint64_t, Entry> loaded_;                  // by number
  std::list<uint64_t> uses_;                          // numbers, the latest use first
  size_t bytes_ = 0;                                  // of their indexes
  std::map<uint64_t, DataFile::Stamp> first_stamps_;  // by number
};

}  // namespace crema
