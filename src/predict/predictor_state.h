// What a predictor works with: a net, and the host's copies of its inputs and outputs.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "crema/error.h"
#include "crema/net.h"
#include "crema/predictor.h"

namespace crema {

// Its functions promise what those of Predictor do.
class PredictorState {
 public:
  // An input, whose values are copied into the net by Run.
  struct Input {
    std::string name;
    int blob;  // its index in the net's graph
    Shape shape;
    std::vector<float> values;
  };
  // A copy of what the last Run has computed.
  struct Output {
    Shape shape;
    std::vector<float> values;
  };

  // Reads both files and builds the net.
  PredictorState(const std::string& net_file, const std::string& weights_file,
                 const PredictorOptions& options);
  // Returns the memory in this state's turn: a GPU's memory belongs to its queue.
  ~PredictorState();
  PredictorState(const PredictorState&) = delete;
  PredictorState& operator=(const PredictorState&) = delete;

  std::unique_ptr<PredictorState> Share() const;

  std::vector<std::string> input_names() const;
  std::vector<std::string> output_names() const;
  const Net& net() const { return *net_; }

  // Throws Error if there is none of that name, or several and the name is "".
  size_t FindInput(const std::string& name) const;
  // `index` is what FindInput gave.
  Input& input(size_t index) { return inputs_[index]; }

  // As many values as `shape` has. They may be the input's own.
  void Set(size_t input, const float* values, const Shape& shape);
  void Reshape(const std::map<std::string, Shape>& shapes);
  void SetBatch(int64_t batch);
  void Run();
  // By name; both are there until the next Run.
  const std::pair<const std::string, Output>& ReadOutput(const std::string& name);

 private:
  struct ToShare {};
  PredictorState(const PredictorState& lender, ToShare);

  void Build(const Net* lender);
  CompileOptions HowToCompile() const;
  void FindInputsAndOutputs();
  void LoadWeights(const std::string& path);
  // Throws Error in the caller's words if the order of the axes, or the number of channels, is why
  // the net refused the shapes.
  void ExplainRefusal(const std::map<std::string, Shape>& changes, const Error& error) const;
  // Throws Error if the net would take more memory than the device has with these shapes.
  void CheckMemory(const std::map<std::string, Shape>& shapes) const;
  std::unique_lock<std::mutex> TakeTurn() const;
  std::vector<float> Zeros(const std::string& input, const Shape& shape) const;
  std::string OutputName(const std::string& name) const;
  const Blob& FindOutput(const std::string& name) const;

  std::string file_;  // of the net, which begins the sentences of errors
  PredictorOptions options_;
  std::shared_ptr<const proto::NetParameter> config_;
  std::shared_ptr<Device> device_;
  size_t memory_ = 0;  // of the device, in bytes; 0: not known
  // Those who share weights share the device too, and a GPU's queue takes one of them at a time.
  std::shared_ptr<std::mutex> turns_;
  // The net shares the weights of these, which must live as long.
  std::vector<std::shared_ptr<const Net>> lenders_;
  std::shared_ptr<Net> net_;
  std::vector<Input> inputs_;
  std::vector<std::pair<std::string, int>> outputs_;  // names and blobs
  bool has_run_ = false;
  std::map<std::string, Output> read_;  // those outputs of the last Run that somebody asked for
};

}  // namespace crema
