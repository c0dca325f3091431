// The manifest is a log of edits, each of which makes the next version from the one before. An edit
// is a row of fields, each with its number before it.
#include "data/leveldb_version.h"

#include <glog/logging.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "crema/error.h"
#include "data/data_file.h"
#include "data/leveldb_log.h"
#include "data/record_source.h"

namespace crema {
namespace {

namespace fs = std::filesystem;

enum Field : uint64_t {
  kComparator = 1,
  kLogNumber = 2,
  kNextFile = 3,
  kLastSequence = 4,
  kCompactPointer = 5,
  kDeletedFile = 6,
  kNewFile = 7,
  kPreviousLog = 9
};

// What the edits add up to.
struct Edits {
  std::map<uint64_t, LevelDbTableFile> levels[LevelDbVersion::kLevels];
  uint64_t log = 0, previous_log = 0, next_file = 0, last_sequence = 0;
  bool has_log = false, has_next_file = false, has_last_sequence = false;  // whatever their values
  std::string comparator;
};

bool ReadLevel(LevelDbParser* parser, uint64_t* level) {
  return parser->Varint32(level) && *level < LevelDbVersion::kLevels;
}

bool ReadTableKey(LevelDbParser* parser, std::string* key) {
  std::string_view text;
  LevelDbKey parsed;
  if (!parser->Text(&text) || !parsed.Parse(text)) return false;
  *key = text;
  return true;
}

bool AddFile(LevelDbParser* parser, Edits* edits) {
  uint64_t level;
  LevelDbTableFile file;
  if (!ReadLevel(parser, &level) || !parser->Varint(&file.number) || !parser->Varint(&file.size) ||
      !ReadTableKey(parser, &file.smallest) || !ReadTableKey(parser, &file.largest)) {
    return false;
  }
  edits->levels[level][file.number] = std::move(file);
  return true;
}

bool ReadField(LevelDbParser* parser, Edits* edits) {
  uint64_t field, level, number;
  std::string_view text;
  if (!parser->Varint32(&field)) return false;
  switch (field) {
    case kComparator:
      if (!parser->Text(&text)) return false;
      edits->comparator = text;
      return true;
    case kLogNumber: edits->has_log = true; return parser->Varint(&edits->log);
    case kPreviousLog: return parser->Varint(&edits->previous_log);
    case kNextFile: edits->has_next_file = true; return parser->Varint(&edits->next_file);
    case kLastSequence:
      edits->has_last_sequence = true;
      return parser->Varint(&edits->last_sequence);
    case kCompactPointer: return ReadLevel(parser, &level) && parser->Text(&text);
    case kDeletedFile:
      if (!ReadLevel(parser, &level) || !parser->Varint(&number)) return false;
      edits->levels[level].erase(number);
      return true;
    case kNewFile: return AddFile(parser, edits);
    default: return false;
  }
}

// A number stands for one file.
void CheckNumbers(const DataFile& file, const Edits& edits) {
  std::set<uint64_t> numbers;
  for (const auto& level : edits.levels) {
    for (const auto& numbered : level) {
      if (numbers.insert(numbered.first).second) continue;
      file.Damaged(Concat("it lists table ", numbered.first, " twice"));
    }
  }
}

Edits ReadManifest(const DataFile& file) {
  Edits edits;
  LevelDbLog log(&file);
  std::string record;
  while (log.Next(&record)) {
    LevelDbParser parser(record);
    while (!parser.rest().empty()) {
      if (!ReadField(&parser, &edits)) {
        file.Damaged(Concat("the edit at byte ", log.Place(0), " is invalid"));
      }
    }
  }
  if (!edits.has_log || !edits.has_next_file || !edits.has_last_sequence) {
    file.Damaged("its last edits are missing");
  }
  CheckNumbers(file, edits);
  const std::string expected = "leveldb.BytewiseComparator";
  if (edits.comparator != expected) {
    FailDatabase(file.title(), "opened",
                 Concat("its keys are ordered by '", edits.comparator, "', expected '", expected,
                        "', as in Caffe's databases; convert it"));
  }
  return edits;
}

bool IsDigits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// The manifest's name, which must be that of a file in the same folder.
std::string ReadCurrent(const std::string& folder, const std::string& title) {
  const DataFile file(folder + "/CURRENT", title);
  std::string text(std::min<uint64_t>(file.size(), 100), '\0');
  file.Read(0, text.size(), text.data());
  const std::string prefix = "MANIFEST-";
  if (text.compare(0, prefix.size(), prefix) != 0 || text.back() != '\n' ||
      !IsDigits(text.substr(prefix.size(), text.size() - prefix.size() - 1))) {
    file.Damaged("it does not name a manifest");
  }
  text.pop_back();
  return text;
}

// Numbers of files in the folder, in order.
struct Numbers {
  std::vector<uint64_t> logs, tables;
};

Numbers ListNumbers(const std::string& folder, const std::string& title) {
  Numbers numbers;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string type = it->path().extension().string(), stem = it->path().stem().string();
    const bool is_log = type == ".log", is_table = type == ".ldb" || type == ".sst";
    if (!is_log && !is_table) continue;
    uint64_t number = 0;
    const char* const stem_end = stem.data() + stem.size();
    const auto parsed = std::from_chars(stem.data(), stem_end, number);
    if (parsed.ec != std::errc() || parsed.ptr != stem_end) continue;
    if (it->path().filename() != LevelDbFileName(number, type.c_str() + 1)) continue;
    (is_log ? numbers.logs : numbers.tables).push_back(number);
  }
  if (error) FailDatabase(title, "opened", error.message());
  std::sort(numbers.logs.begin(), numbers.logs.end());
  std::sort(numbers.tables.begin(), numbers.tables.end());
  return numbers;
}

// The library removes a log when the manifest names a later one. So where a log is missing and
// files are there that came after it, the manifest has lost its end. Where no such file is there,
// it may be that the log was not copied.
void CheckLog(const DataFile& manifest, const Edits& edits, const Numbers& numbers) {
  if (edits.log == 0 || std::binary_search(numbers.logs.begin(), numbers.logs.end(), edits.log)) {
    return;
  }
  const std::string missing = LevelDbFileName(edits.log, "log") + " is missing";
  const bool has_later_log = !numbers.logs.empty() && numbers.logs.back() > edits.log;
  const bool has_later_table = !numbers.tables.empty() && numbers.tables.back() >= edits.next_file;
  if (has_later_log || has_later_table) {
    const std::string later = has_later_log ? LevelDbFileName(numbers.logs.back(), "log")
                                            : LevelDbFileName(numbers.tables.back(), "ldb");
    manifest.Damaged(Concat("its end is missing: ", missing, ", and it knows nothing of ", later));
  }
  LOG(WARNING) << manifest.title() << ": " << missing
               << "; records that were written last may be lost";
}

// Before anything relies on them: memory is taken, and progress is counted, by their sizes.
void CheckTables(const std::string& folder, const LevelDbVersion& version,
                 const std::string& title) {
  for (const auto& level : version.levels) {
    for (const LevelDbTableFile& file : level) {
      const std::string path = LevelDbTablePath(folder, file.number);
      const uint64_t size = SizeOfDataFile(path, title);
      if (size == file.size) continue;
      FailDatabase(title, "opened",
                   Concat(fs::path(path).filename().string(), " is damaged: it has ", size,
                          " bytes, expected ", file.size, "; copy it again or recreate it"));
    }
  }
}

}  // namespace

LevelDbVersion ReadLevelDbVersion(const std::string& folder, const std::string& title) {
  const DataFile manifest(folder + "/" + ReadCurrent(folder, title), title);
  const Edits edits = ReadManifest(manifest);
  LevelDbVersion version;
  version.last_sequence = edits.last_sequence;
  for (size_t level = 0; level < LevelDbVersion::kLevels; ++level) {
    std::vector<LevelDbTableFile>& files = version.levels[level];
    for (const auto& numbered : edits.levels[level]) files.push_back(numbered.second);
    if (level == 0) continue;
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
      LevelDbKey left, right;
      left.Parse(a.smallest);
      right.Parse(b.smallest);
      return Compare(left, right) < 0;
    });
  }
  CheckTables(folder, version, title);
  const Numbers numbers = ListNumbers(folder, title);
  CheckLog(manifest, edits, numbers);
  for (const uint64_t number : numbers.logs) {
    const bool previous = edits.previous_log != 0 && number == edits.previous_log;
    if (number >= edits.log || previous) version.logs.push_back(number);
  }
  return version;
}

uint64_t LevelDbVersion::bytes() const {
  uint64_t bytes = 0;
  for (const auto& level : levels) {
    for (const LevelDbTableFile& file : level) bytes += file.size;
  }
  return bytes;
}

const LevelDbTableFile* FirstTableReaching(const LevelDbTableFile* files, size_t count,
                                           const LevelDbKey& key) {
  return std::lower_bound(files, files + count, key,
                          [](const LevelDbTableFile& file, const LevelDbKey& wanted) {
                            LevelDbKey largest;
                            largest.Parse(file.largest);
                            return Compare(largest, wanted) < 0;
                          });
}

// Before LevelDB 1.14, tables were called .sst.
std::string LevelDbTablePath(const std::string& folder, uint64_t number) {
  const std::string path = folder + "/" + LevelDbFileName(number, "ldb");
  const std::string old = folder + "/" + LevelDbFileName(number, "sst");
  std::error_code ignored;
  const bool is_old = !fs::exists(path, ignored) && fs::exists(old, ignored);
  return is_old ? old : path;
}

std::string LevelDbFileName(uint64_t number, const char* type) {
  char name[40];
  std::snprintf(name, sizeof name, "%06llu.%s", static_cast<unsigned long long>(number), type);
  return name;
}

}  // namespace crema
