#include "data/record_writer.h"

#include <glog/logging.h>

#include <filesystem>
#include <utility>

#include "base/counted.h"
#include "crema/error.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

// A transaction holds this much at most.
constexpr size_t kBatchRecords = 1000;
constexpr size_t kBatchBytes = size_t{16} << 20;

std::string WithoutTrailingSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() != fs::file_type::not_found;
}

}  // namespace

RecordWriter::RecordWriter(Backend backend, const std::string& path)
    : path_(WithoutTrailingSlash(path)), title_(Concat(ToString(backend), " '", path_, "'")) {
  if (path_.empty()) Fail("the name of the ", ToString(backend), " to create is empty");
  if (Exists(path_)) {
    FailDatabase(title_, "created", "it already exists; remove it or choose another name");
  }
  partial_ = std::make_unique<PartialFolder>(path_, title_);
  sink_ =
      backend == Backend::kLmdb ? CreateLmdb(folder(), title_) : CreateLevelDb(folder(), title_);
}

RecordWriter::~RecordWriter() {
  if (sink_ == nullptr) return;
  if (count_ > 0) {
    LOG(WARNING) << title_ << " is incomplete; removing the " << Counted(count_, "record")
                 << " written so far";
  }
  sink_.reset();
}

void RecordWriter::Put(std::string key, std::string value) {
  waiting_bytes_ += key.size() + value.size();
  waiting_.emplace_back(std::move(key), std::move(value));
  ++count_;
  if (waiting_.size() >= kBatchRecords || waiting_bytes_ >= kBatchBytes) Flush();
}

void RecordWriter::Flush() {
  sink_->Write(waiting_);
  waiting_.clear();
  waiting_bytes_ = 0;
}

void RecordWriter::Finish() {
  if (count_ == 0) FailDatabase(title_, "created", "there are no records to store");
  Flush();
  sink_->Close();
  partial_->Publish();
  sink_.reset();
}

}  // namespace crema
