// LMDB, read: one file, data.mdb.
//
// The lmdb library writes to the lock file beside the data, or makes one, even where it only reads,
// and follows a link there. So the file is read here, and nothing is written. No process that
// writes to the database knows of us; LmdbTreeCursor sees when one has.
#include "data/backends.h"
#include "data/data_file.h"
#include "data/lmdb_meta.h"
#include "data/lmdb_tree.h"

namespace crema {
namespace {

class LmdbSource : public RecordSource {
 public:
  explicit LmdbSource(const std::string& path)
      : RecordSource(Backend::kLmdb, path),
        file_(path + "/data.mdb", title()),
        tree_{&file_, LatestLmdbMeta(file_)} {}

  std::unique_ptr<RecordCursor> NewCursor() override {
    return std::make_unique<LmdbTreeCursor>(&tree_);
  }
  std::optional<uint64_t> KnownCount() const override { return tree_.meta.entries; }
  uint64_t bytes() const override { return file_.size(); }

 private:
  const DataFile file_;
  const LmdbTree tree_;
};

}  // namespace

std::unique_ptr<RecordSource> OpenLmdb(const std::string& path) {
  return std::make_unique<LmdbSource>(path);
}

}  // namespace crema
