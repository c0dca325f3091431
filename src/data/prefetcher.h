// Makes batches ahead of their use, on threads of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "data/record_stream.h"

namespace crema {

// What a net takes in one iteration.
struct Batch {
  std::vector<float> data;
  std::vector<float> labels;
};

// How batches come about; given by the layer. May throw: the consumer gets the exception.
class BatchMaker {
 public:
  virtual ~BatchMaker() = default;
  // Fetches the records of the next batch. Called by one thread at a time, batch after batch.
  virtual void Read(std::vector<Record>* records) = 0;
  // Makes the batch from them, a function of the records alone. Several threads call it at once;
  // `worker` is different for each of them.
  virtual void Make(const std::vector<Record>& records, int worker, Batch* batch) = 0;
};

// Which thread makes which batch is left to chance; the batches and their order are not.
// Take and waited_seconds are called by one thread.
class Prefetcher {
 public:
  // Keeps at most `depth` batches; runs `threads` threads, but never more than `depth`.
  Prefetcher(std::unique_ptr<BatchMaker> maker, int depth, int threads);
  // Stops the threads; waits for the batch that each has in hand.
  ~Prefetcher();

  // Waits for the next batch and hands it to `use`; its memory is used again afterwards. Throws
  // what the maker threw for this batch, and the same again if called again.
  void Take(const std::function<void(const Batch&)>& use);

  // How long Take has waited in all.
  double waited_seconds() const { return waited_seconds_; }

 private:
  struct Slot {
    enum State { kFree, kInWork, kReady } state = kFree;
    std::vector<Record> records;
    Batch batch;
    std::exception_ptr error;
  };

  void Run(int worker);
  Slot* ReadNext();
  void Publish(Slot* slot, std::exception_ptr error);

  std::unique_ptr<BatchMaker> maker_;
  std::mutex reading_;      // held around Read; taken before state_
  uint64_t next_read_ = 0;  // guarded by reading_
  std::mutex state_;        // guards the slots' state and what follows
  std::condition_variable changed_;
  bool stop_ = false;
  bool failed_ = false;
  std::vector<Slot> slots_;  // batch k lives in slot k % depth
  uint64_t next_taken_ = 0;
  double waited_seconds_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace crema
