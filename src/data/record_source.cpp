#include "data/record_source.h"

#include <glog/logging.h>

#include <filesystem>
#include <functional>
#include <map>

#include "crema/error.h"
#include "data/backends.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

// Hands out one object a folder for as long as somebody holds it.
class OpenSources {
 public:
  using Opener = std::function<std::unique_ptr<RecordSource>()>;

  std::shared_ptr<RecordSource> Get(const std::string& id, const Opener& open) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto it = entries_.find(id);
    if (it == entries_.end()) it = entries_.emplace(id, Entry{open(), 0}).first;
    ++it->second.users;
    return {it->second.source.get(), [this, id](RecordSource*) { Release(id); }};
  }

 private:
  struct Entry {
    std::unique_ptr<RecordSource> source;
    int users;
  };

  void Release(const std::string& id) {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto it = entries_.find(id);
    if (--it->second.users == 0) entries_.erase(it);
  }

  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

// The one place with state of the whole process: the index of a large database's keys is large,
// too. Never destroyed, since sources may be released at exit.
OpenSources& TheOpenSources() {
  static OpenSources& sources = *new OpenSources;
  return sources;
}

// LevelDB stores what a key shares with the one before only once, so a small file could claim
// keys without end. Keys take at most this many times as much memory as the files have bytes: of a
// key that shares all but its last byte, at least 12 bytes are in the file, before compression.
constexpr uint64_t kMostKeyBytes = 64;

// Throws if that cannot be told.
bool Has(const std::string& folder, const char* file, const std::string& title) {
  std::error_code error;
  const bool has = fs::exists(fs::path(folder) / file, error);
  if (error) FailDatabase(title, "opened", Concat(file, ": ", error.message()));
  return has;
}

// Throws unless the folder looks like a database of this kind.
void CheckFolder(Backend backend, const std::string& path) {
  const std::string title = Concat(ToString(backend), " '", path, "'");
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    FailDatabase(
        title, "opened",
        Concat("there is no such folder",
               fs::path(path).is_absolute() ? "" : " (the path is relative to the current one)",
               "; make it with `crema convert`, or, for a net of models/, as its README.md says"));
  }
  if (error) FailDatabase(title, "opened", error.message());
  if (status.type() != fs::file_type::directory) {
    FailDatabase(title, "opened", "it is not a folder; name the folder that contains the database");
  }
  const bool lmdb = Has(path, "data.mdb", title);
  const bool leveldb = Has(path, "CURRENT", title);
  if (backend == Backend::kLmdb ? lmdb : leveldb) return;
  if (lmdb) {
    FailDatabase(title, "opened",
                 "it is an LMDB; set `backend: LMDB` (on the command line, --backend=lmdb)");
  }
  if (leveldb) {
    FailDatabase(
        title, "opened",
        "it is a LevelDB; set `backend: LEVELDB` (on the command line, --backend=leveldb)");
  }
  FailDatabase(title, "opened",
               Concat("the folder contains no database: ",
                      backend == Backend::kLmdb ? "data.mdb" : "CURRENT", " is missing"));
}

}  // namespace

const char* ToString(Backend backend) { return backend == Backend::kLmdb ? "LMDB" : "LevelDB"; }

Backend ParseBackend(const std::string& name) {
  if (name == "lmdb") return Backend::kLmdb;
  if (name == "leveldb") return Backend::kLevelDb;
  Fail("unknown database backend '", name, "'; use lmdb or leveldb");
}

void FailDatabase(const std::string& title, const std::string& what, const std::string& why) {
  Fail(title, " could not be ", what, ": ", why);
}

void KeyIndex::Add(std::string_view key, const RecordPlace& place) {
  entries_.push_back({text_.size(), place});
  text_.append(key);
}

std::string_view KeyIndex::operator[](uint64_t record) const {
  const uint64_t begin = entries_[record].begin;
  const uint64_t end = record + 1 < size() ? entries_[record + 1].begin : text_.size();
  return {text_.data() + begin, end - begin};
}

RecordSource::RecordSource(Backend backend, const std::string& path)
    : title_(Concat(ToString(backend), " '", path, "'")) {}

const KeyIndex& RecordSource::Keys() {
  std::call_once(keys_once_, [this] {
    KeyIndex keys;
    const std::unique_ptr<RecordCursor> cursor = NewCursor();
    for (bool more = cursor->First(); more; more = cursor->Next()) {
      keys.Add(cursor->key(), cursor->place());
      if (keys.bytes() / kMostKeyBytes <= bytes()) continue;
      FailDatabase(title(), "read",
                   Concat("it is damaged: its ", bytes(), " bytes claim to hold more than ",
                          keys.bytes(), " bytes of keys; copy it again or recreate it"));
    }
    keys_ = std::move(keys);
  });
  return keys_;
}

std::shared_ptr<RecordSource> OpenRecordSource(Backend backend, const std::string& path) {
  if (path.empty()) Fail("the path of the ", ToString(backend), " is empty; name a folder");
  CheckFolder(backend, path);
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error) FailDatabase(Concat(ToString(backend), " '", path, "'"), "opened", error.message());
  return TheOpenSources().Get(Concat(ToString(backend), ":", real.string()), [&] {
    auto source = backend == Backend::kLmdb ? OpenLmdb(path) : OpenLevelDb(path);
    if (!source->NewCursor()->First()) {
      FailDatabase(source->title(), "used", "it has no records; recreate it");
    }
    LOG(INFO) << "Opened " << (backend == Backend::kLmdb ? "lmdb " : "leveldb ") << path;
    return source;
  });
}

}  // namespace crema
