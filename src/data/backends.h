// The seam between the record source and writer, and the two kinds of database.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/record_source.h"

namespace crema {

// The folder exists and looks like a database of the kind.
std::unique_ptr<RecordSource> OpenLmdb(const std::string& path);
std::unique_ptr<RecordSource> OpenLevelDb(const std::string& path);

using KeyValues = std::vector<std::pair<std::string, std::string>>;

// A database that is being made. Throws Error where the system refuses a step.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void Write(const KeyValues& records) = 0;
  // Brings everything to the disk and closes the database; nothing may be called after it.
  virtual void Close() = 0;
};

// Makes a database in `folder`, which exists and is empty. `title` names it in errors.
std::unique_ptr<RecordSink> CreateLmdb(const std::string& folder, const std::string& title);
std::unique_ptr<RecordSink> CreateLevelDb(const std::string& folder, const std::string& title);

}  // namespace crema
