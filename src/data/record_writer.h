// Makes a new database of records.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "data/backends.h"
#include "data/partial_folder.h"
#include "data/record_source.h"

namespace crema {

// The database grows in the folder PATH.partial and gets its name in Finish, so that a folder named
// PATH always holds all of its records. Used by one thread.
class RecordWriter {
 public:
  // Throws Error where `path` exists already, another process is making it, or PATH.partial is not
  // crema's. Removes what an earlier process that was killed left behind.
  RecordWriter(Backend backend, const std::string& path);
  // Without Finish nothing stays behind, which is logged.
  ~RecordWriter();
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  // A key that was put before is replaced. Throws Error, for example where the disk is full.
  void Put(std::string key, std::string value);
  uint64_t count() const { return count_; }

  // The folder that will become the database, for a file that is to go with it.
  const std::string& folder() const { return partial_->path(); }

  // Throws Error where nothing was put.
  void Finish();

 private:
  void Flush();

  std::string path_, title_;
  std::unique_ptr<PartialFolder> partial_;
  std::unique_ptr<RecordSink> sink_;  // gone before the folder; null: finished
  KeyValues waiting_;
  size_t waiting_bytes_ = 0;
  uint64_t count_ = 0;
};

}  // namespace crema
