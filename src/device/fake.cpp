#include "device/fake.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "crema/error.h"

namespace crema {
namespace {

constexpr unsigned char kUnset = 0xFF;  // as float or double: NaN; as int: -1
constexpr size_t kAlignment = 64;
// A queue this long runs without being waited for, as a real GPU's would; it bounds memory.
constexpr size_t kMaxQueue = 4096;

size_t PageSize() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// guard page | slack, user's bytes, less than kAlignment of slack | guard page
class Block {
 public:
  explicit Block(size_t bytes) : bytes_(bytes) {
    const size_t page = PageSize();
    const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    pages_bytes_ = (rounded + page - 1) / page * page;
    if (pages_bytes_ < bytes) pages_bytes_ = static_cast<size_t>(-1) / 2;  // mmap refuses it
    void* mapped = mmap(nullptr, pages_bytes_ + 2 * page, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
      Fail("out of memory: cannot allocate ", bytes,
           " bytes on the fake GPU; use a smaller batch size");
    }
    pages_ = static_cast<unsigned char*>(mapped) + page;
    start_ = pages_ + pages_bytes_ - rounded;
    Open();
    std::memset(pages_, kUnset, pages_bytes_);
    Close();
  }
  ~Block() { munmap(pages_ - PageSize(), pages_bytes_ + 2 * PageSize()); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  unsigned char* start() const { return start_; }
  size_t bytes() const { return bytes_; }

  // Guard pages and slack included.
  bool Maps(uintptr_t address) const {
    const uintptr_t first = reinterpret_cast<uintptr_t>(pages_) - PageSize();
    return address >= first && address < first + pages_bytes_ + 2 * PageSize();
  }

  void Open() const { Protect(PROT_READ | PROT_WRITE); }
  void Close() const { Protect(PROT_NONE); }

  // The guard pages leave up to a page of slack; nobody may have written there. Needs Open.
  bool SlackIsUntouched() const {
    for (const unsigned char* p = pages_; p < start_; ++p) {
      if (*p != kUnset) return false;
    }
    for (const unsigned char* p = start_ + bytes_; p < pages_ + pages_bytes_; ++p) {
      if (*p != kUnset) return false;
    }
    return true;
  }

 private:
  void Protect(int protection) const {
    if (pages_bytes_ == 0) return;
    CREMA_CHECK(mprotect(pages_, pages_bytes_, protection) == 0, "mprotect failed");
  }

  size_t bytes_, pages_bytes_;
  unsigned char* pages_;
  unsigned char* start_;
};

bool IsMapped(uintptr_t address) {
  unsigned char resident;
  void* page = reinterpret_cast<void*>(address / PageSize() * PageSize());
  return mincore(page, 1, &resident) == 0;
}

// Whether a captured word lies where Linux puts programs, heaps and stacks (0x55... and 0x7f...).
// Two ints side by side must not look like one: hence not in the heap of AddressSanitizer
// (0x60...), whose addresses have few random bits, and not with a small number in the lower half.
bool MayBeHostAddress(uintptr_t word) {
  const uintptr_t top = word >> 40;
  const bool plausible = (top >= 0x55 && top <= 0x57) || (top >= 0x7e && top <= 0x7f);
  return plausible && static_cast<uint32_t>(word) >= uint32_t{1} << 20;
}

// How often an event was recorded, and how many of these records the device has reached.
struct EventState {
  uint64_t recorded = 0, reached = 0;
};

class FakeEvent : public Event {
 public:
  const std::shared_ptr<EventState> state = std::make_shared<EventState>();
};

EventState& StateOf(const Event& event) { return *static_cast<const FakeEvent&>(event).state; }

using Kernel = std::function<void()>;

class FakeCapture : public CapturedWork {
 public:
  std::vector<Kernel> kernels;
};

// A kernel, or null, once an event has been reached so often; null: none.
struct Work {
  Kernel kernel;
  std::shared_ptr<EventState> event;
  uint64_t times = 0;
};

class FakeDevice : public Device {
 public:
  ~FakeDevice() override { Flush(); }

  DeviceKind kind() const override { return DeviceKind::kFake; }
  std::string name() const override { return "fake GPU"; }

  void* Allocate(size_t bytes) override {
    CheckNoCapture("allocates memory");
    auto block = std::make_unique<Block>(bytes);
    void* memory = block->start();
    blocks_.emplace(reinterpret_cast<uintptr_t>(memory), std::move(block));
    return memory;
  }

  // Waits for all work, as cudaFree does.
  void Free(void* memory) noexcept override {
    if (memory == nullptr) return;
    CREMA_CHECK(capture_ == nullptr, "work that is captured frees memory");
    Flush();
    const auto it = blocks_.find(reinterpret_cast<uintptr_t>(memory));
    CREMA_CHECK(it != blocks_.end(), "Free of an address that Allocate did not give");
    it->second->Open();
    CREMA_CHECK(it->second->SlackIsUntouched(), "a kernel wrote outside a block of ",
                it->second->bytes(), " bytes");
    blocks_.erase(it);
  }

  void CopyIn(void* to, const void* from, size_t bytes) override {
    if (bytes == 0) return;
    CheckInside(to, bytes, "CopyIn to");
    CREMA_CHECK(FindBlock(from) == nullptr, "CopyIn from device memory");
    CheckNoCapture("copies from the host");
    const auto* first = static_cast<const unsigned char*>(from);
    Launch([to, copy = std::vector<unsigned char>(first, first + bytes)] {
      std::memcpy(to, copy.data(), copy.size());
    });
  }

  void CopyOut(void* to, const void* from, size_t bytes) override {
    CheckNoCapture("copies to the host");
    if (bytes == 0) return Flush();
    CheckInside(from, bytes, "CopyOut from");
    CREMA_CHECK(FindBlock(to) == nullptr, "CopyOut to device memory");
    Launch([=] { std::memcpy(to, from, bytes); });
    Flush();
  }

  void Copy(void* to, const void* from, size_t bytes) override {
    if (bytes == 0) return;
    CheckInside(to, bytes, "Copy to");
    CheckInside(from, bytes, "Copy from");
    const auto a = reinterpret_cast<uintptr_t>(to), b = reinterpret_cast<uintptr_t>(from);
    CREMA_CHECK(a + bytes <= b || b + bytes <= a, "Copy between overlapping ranges");
    Launch([=] { std::memcpy(to, from, bytes); });
  }

  void Zero(void* to, size_t bytes) override {
    if (bytes == 0) return;
    CheckInside(to, bytes, "Zero of");
    Launch([=] { std::memset(to, 0, bytes); });
  }

  void Synchronize() override {
    CheckNoCapture("waits");
    Flush();
  }

  void* AllocatePinned(size_t bytes) override {
    CheckNoCapture("allocates memory");
    void* const memory = Device::AllocatePinned(bytes);
    pinned_[reinterpret_cast<uintptr_t>(memory)] = bytes;
    return memory;
  }

  void FreePinned(void* memory) noexcept override {
    if (memory == nullptr) return;
    CREMA_CHECK(capture_ == nullptr, "work that is captured frees memory");
    Flush();
    CREMA_CHECK(pinned_.erase(reinterpret_cast<uintptr_t>(memory)) == 1,
                "FreePinned of an address that AllocatePinned did not give");
    Device::FreePinned(memory);
  }

  // What is copied is what lies there when the device gets to it.
  void CopyInAsync(Queue queue, void* to, const void* pinned, size_t bytes) override {
    CheckNoCapture("copies from the host");
    if (bytes == 0) return;
    CheckInside(to, bytes, "CopyInAsync to");
    CheckPinned(pinned, bytes, "CopyInAsync from");
    Push(queue, {[=] { std::memcpy(to, pinned, bytes); }, nullptr});
  }

  void CopyOutAsync(Queue queue, void* pinned, const void* from, size_t bytes) override {
    CheckNoCapture("copies to the host");
    if (bytes == 0) return;
    CheckInside(from, bytes, "CopyOutAsync from");
    CheckPinned(pinned, bytes, "CopyOutAsync to");
    Push(queue, {[=] { std::memcpy(pinned, from, bytes); }, nullptr});
  }

  std::unique_ptr<Event> MakeEvent() override {
    CheckNoCapture("makes an event");
    return std::make_unique<FakeEvent>();
  }

  void Record(Queue queue, Event* event) override {
    CheckNoCapture("records an event");
    const std::shared_ptr<EventState>& state = static_cast<FakeEvent*>(event)->state;
    const uint64_t number = ++state->recorded;
    // Recorded in both queues, the later record may be reached first.
    Push(queue, {[state, number] { state->reached = std::max(state->reached, number); }, nullptr});
  }

  void WaitFor(Queue queue, const Event& event) override {
    CheckNoCapture("waits for an event");
    const std::shared_ptr<EventState>& state = static_cast<const FakeEvent&>(event).state;
    Push(queue, {nullptr, state, state->recorded});
  }

  void Synchronize(const Event& event) override {
    CheckNoCapture("waits");
    if (!IsDone(event)) Flush();
  }

  // Nothing is done before somebody waits.
  bool IsDone(const Event& event) override {
    CheckNoCapture("asks for an event");
    return StateOf(event).reached == StateOf(event).recorded;
  }

  bool CanCapture() const override { return true; }

  void BeginCapture() override {
    CheckNoCapture("begins another capture");
    capture_ = std::make_unique<FakeCapture>();
  }

  std::unique_ptr<CapturedWork> EndCapture() override {
    if (capture_ == nullptr) Fail("the fake GPU is not capturing work");
    return std::move(capture_);
  }

  void Replay(const CapturedWork& work) override {
    CheckNoCapture("replays other work");
    for (const Kernel& kernel : static_cast<const FakeCapture&>(work).kernels) Launch(kernel);
  }

  void Launch(Kernel kernel) {
    CREMA_CHECK(!running_, "a kernel may not queue work");
    if (capture_ != nullptr) {
      capture_->kernels.push_back(std::move(kernel));
      return;
    }
    Push(Queue::kMain, {std::move(kernel), nullptr});
  }

  void CheckCaptures(const void* closure, size_t bytes) const {
    for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
      uintptr_t word;
      std::memcpy(&word, static_cast<const char*>(closure) + at, sizeof(word));
      if (!MayBeHostAddress(word) || !IsMapped(word)) continue;
      CREMA_CHECK(OnDevice(word), "a kernel captured the host address ",
                  reinterpret_cast<void*>(word), " (byte ", at, " of ", bytes,
                  " captured): "
                  "`this`, a host pointer, a reference, or a plain struct with unset fields");
    }
  }

 private:
  void Push(Queue queue, Work work) {
    (queue == Queue::kMain ? main_ : side_).push_back(std::move(work));
    if (main_.size() + side_.size() >= kMaxQueue) Flush();
  }

  // Each step of a queue runs as soon as its event allows, and the side queue runs first: who
  // forgets to let it wait for the main one finds what was there before. mprotect is slow, so
  // memory is opened once for all kernels that wait.
  void Flush() {
    if (main_.empty() && side_.empty()) return;
    for (const auto& entry : blocks_) entry.second->Open();
    running_ = true;
    while (!main_.empty() || !side_.empty()) {
      const bool ran = RunNext(&side_) || RunNext(&main_);
      CREMA_CHECK(ran, "queues that wait for each other");
    }
    running_ = false;
    for (const auto& entry : blocks_) entry.second->Close();
  }

  // Returns false if there is nothing, or it has to wait.
  static bool RunNext(std::deque<Work>* queue) {
    if (queue->empty()) return false;
    const Work& next = queue->front();
    if (next.event != nullptr && next.event->reached < next.times) return false;
    if (next.kernel != nullptr) next.kernel();
    queue->pop_front();
    return true;
  }

  // What a replay could not repeat; `what` goes on after "work that is captured".
  void CheckNoCapture(const char* what) const {
    if (capture_ == nullptr) return;
    Fail("work that is captured ", what, "; do that before the capture, by a pass as usual");
  }

  void CheckPinned(const void* address, size_t bytes, const char* what) const {
    const auto value = reinterpret_cast<uintptr_t>(address);
    auto it = pinned_.upper_bound(value);
    CREMA_CHECK(it != pinned_.begin(), what, " memory that is not pinned");
    --it;
    CREMA_CHECK(value + bytes <= it->first + it->second, what, " memory that is not pinned");
  }

  // The block that starts at or before `address` and holds it or ends right there.
  const Block* FindBlock(const void* address) const {
    const auto value = reinterpret_cast<uintptr_t>(address);
    auto it = blocks_.upper_bound(value);
    if (it == blocks_.begin()) return nullptr;
    --it;
    return value <= it->first + it->second->bytes() ? it->second.get() : nullptr;
  }

  // A kernel may hold an address a little outside a block, as long as it does not follow it.
  bool OnDevice(uintptr_t address) const {
    const auto next = blocks_.upper_bound(address);
    return (next != blocks_.end() && next->second->Maps(address)) ||
           (next != blocks_.begin() && std::prev(next)->second->Maps(address));
  }

  void CheckInside(const void* address, size_t bytes, const char* what) const {
    const Block* block = FindBlock(address);
    CREMA_CHECK(block != nullptr, what, " an address that is not on the device");
    const auto* first = static_cast<const unsigned char*>(address);
    CREMA_CHECK(bytes <= block->bytes() - static_cast<size_t>(first - block->start()), what, " ",
                bytes, " bytes that leave a block of ", block->bytes());
  }

  std::map<uintptr_t, std::unique_ptr<Block>> blocks_;
  std::map<uintptr_t, size_t> pinned_;  // by address: bytes
  std::deque<Work> main_, side_;
  std::unique_ptr<FakeCapture> capture_;  // null: work is done
  bool running_ = false;
};

FakeDevice& Fake(Device& device) {
  CREMA_CHECK(device.kind() == DeviceKind::kFake, "a ", ToString(device.kind()),
              " was given a kernel of the fake GPU");
  return static_cast<FakeDevice&>(device);
}

}  // namespace

std::shared_ptr<Device> OpenFakeDevice() { return std::make_shared<FakeDevice>(); }

void LaunchOnFake(Device& device, std::function<void()> kernel) {
  Fake(device).Launch(std::move(kernel));
}

void CheckFakeCaptures(Device& device, const void* closure, size_t bytes) {
  Fake(device).CheckCaptures(closure, bytes);
}

}  // namespace crema
