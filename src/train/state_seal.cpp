// A serialized state has two more fields, which Caffe skips: behind the iteration, at the
// beginning, the size of the file, and at its end the checksums. An end that is missing is then
// noticed by the size, and no single change can hide both. HDF5 itself notices a missing end, and
// ignores what stands behind it: there the seal is.
#include "train/state_seal.h"

#include <cstring>
#include <filesystem>

#include "crema/error.h"
#include "schema/binary_io.h"
#include "schema/file_kind.h"

namespace crema {
namespace {

// Field 20001 of SolverState, fixed32: the size of the file.
constexpr char kSizeTag[] = "\x8d\xe2\x09";
// Field 20002, fixed64: the checksum of the weights file, then that of all bytes before it.
constexpr char kSumsTag[] = "\x91\xe2\x09";
constexpr size_t kTag = 3, kHead = kTag + 4, kTail = kTag + 8;
static_assert(kHead + kTail == kSealBytes, "room for the seal");

// Behind an HDF5 file: these, the size of the file (64 bits), and the same checksums.
constexpr char kHdf5Tag[] = "cremaSUM";
constexpr size_t kHdf5Tail = 24;

// Little-endian, as is every machine that crema runs on.
template <class T>
std::string BytesOf(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
T NumberAt(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

bool HasAt(const std::string& bytes, size_t at, const char* tag, size_t room) {
  return at + room <= bytes.size() && bytes.compare(at, std::strlen(tag), tag) == 0;
}

// Behind the iteration, which comes first: other programs know a state by it.
size_t HeadOf(const std::string& bytes) {
  constexpr char kIterationTag = 0x08;
  if (bytes.empty() || bytes[0] != kIterationTag) return 0;
  size_t at = 1;
  while (at < bytes.size() && (bytes[at] & 0x80) != 0) ++at;
  return at + 1;
}

void AddChecksum(std::string* bytes) {
  *bytes += BytesOf(ChecksumOf(bytes->data(), bytes->size()));
}

[[noreturn]] void FailDamaged(const std::string& path) {
  Fail(InFile(path),
       ": is damaged, or was changed after it was written: its checksum is wrong; resume ",
       "from another snapshot");
}

}  // namespace

std::string Sealed(std::string bytes, uint32_t weights_checksum) {
  if (IsHdf5(bytes)) {
    const uint64_t size = bytes.size() + kHdf5Tail;
    bytes += kHdf5Tag + BytesOf(size) + BytesOf(weights_checksum);
    AddChecksum(&bytes);
    return bytes;
  }
  const auto size = static_cast<uint32_t>(bytes.size() + kHead + kTail);
  bytes.insert(HeadOf(bytes), kSizeTag + BytesOf(size));
  bytes += kSumsTag + BytesOf(weights_checksum);
  AddChecksum(&bytes);
  return bytes;
}

bool CheckSeal(const std::string& bytes, const std::string& path) {
  const size_t size = bytes.size(), head = HeadOf(bytes), tail = size - kTail;
  const bool has_head = HasAt(bytes, head, kSizeTag, kHead);
  const bool has_tail = size >= kTail && HasAt(bytes, tail, kSumsTag, kTail);
  if (!has_head && !has_tail) return false;
  const uint32_t stated = has_head ? NumberAt<uint32_t>(bytes, head + kTag) : 0;
  if (!has_tail && stated > size) {
    Fail(InFile(path), ": ends in the middle of its data, after ", size, " of ", stated,
         " bytes; it was copied or written incompletely; resume from another snapshot");
  }
  const size_t summed = size - sizeof(uint32_t);
  const bool right = has_head && has_tail && stated == size &&
                     NumberAt<uint32_t>(bytes, summed) == ChecksumOf(bytes.data(), summed);
  if (!right) FailDamaged(path);
  return true;
}

bool CheckHdf5Seal(const std::string& path) {
  const std::string tail = LastBytesOf(path, kHdf5Tail);
  if (!HasAt(tail, 0, kHdf5Tag, kHdf5Tail)) return false;
  const uint64_t size = std::filesystem::file_size(path);
  const auto checksum = NumberAt<uint32_t>(tail, kHdf5Tail - sizeof(uint32_t));
  const bool right = NumberAt<uint64_t>(tail, sizeof kHdf5Tag - 1) == size &&
                     SumOfFile(path, size - sizeof checksum).checksum == checksum;
  if (!right) FailDamaged(path);
  return true;
}

std::optional<uint32_t> WeightsOfSealed(const std::string& path) {
  std::string tail;
  try {
    tail = LastBytesOf(path, kHdf5Tail);
  } catch (const Error&) {
    return std::nullopt;
  }
  const bool sealed = HasAt(tail, 0, kHdf5Tag, kHdf5Tail) ||
                      (tail.size() >= kTail && HasAt(tail, tail.size() - kTail, kSumsTag, kTail));
  if (!sealed) return std::nullopt;
  return NumberAt<uint32_t>(tail, tail.size() - 2 * sizeof(uint32_t));
}

}  // namespace crema
