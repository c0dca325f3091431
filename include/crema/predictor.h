// Runs a trained net in a program of your own: numbers in, numbers out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "crema/shape.h"

namespace crema {

class Device;
class Net;
class PredictorState;

// What may be chosen beside the files.
struct PredictorOptions {
  // The GPU to run on, by the number that `crema device_query` shows; -1: the CPU.
  int gpu = -1;
  // A device that is open already (see OpenDevice), in place of `gpu`. Whoever else uses it must
  // not do so while this predictor works.
  std::shared_ptr<Device> device;
  // How many threads compute on the CPU. 0: one per processor that the process may use, or fewer if
  // OMP_NUM_THREADS says so.
  int threads = 0;
  // The engine of all layers that have it: "CAFFE", "ONEDNN", "WINOGRAD" or "BF16". "": the one
  // that the net's file names, or the fastest.
  std::string engine;
  // The first extent of all inputs: how many images are run at once. 0: as the net's file says.
  int64_t batch = 0;
  // The level and the stages of the net's state, for layers with include and exclude rules.
  int level = 0;
  std::vector<std::string> stages;
  // Whether Output gives any blob of the net, not only its outputs. This takes more memory and
  // time, because layers are then not fused and blobs do not share memory.
  bool keep_blobs = false;
  // Whether layers that the weights file does not have keep their initial values, which are mostly
  // random. Otherwise such a file is an Error, and so is a net with parameters without a file.
  bool partial_weights = false;
  // Told, line by line, what was done to the files when they were read. None: nothing is said.
  std::function<void(const std::string& line)> log;
};

// An input of a predictor, on the host: 32-bit floats in Caffe's order, N x C x H x W for images.
// It refers to the predictor, which must live as long; it need not be kept.
class InputView {
 public:
  // For Predictor::Input.
  InputView(PredictorState* state, size_t index) : state_(state), index_(index) {}

  // The name of its blob in the net's file.
  const std::string& name() const;
  // As of now; at first, what the net's file says, with PredictorOptions::batch.
  const Shape& shape() const;
  // How many numbers the input takes, those of all images of the batch.
  int64_t count() const { return shape().count(); }

  // count() numbers to write to, and to read. They are zeros at first, and stay as they are when
  // the net runs. The address stays until the shape changes.
  float* data() const;

  // Copies count() numbers.
  void Set(const float* values) const;
  // Copies as many numbers as `shape` has, which becomes the input's shape as by Reshape. Throws
  // Error, and changes nothing, if the net does not take the shape.
  void Set(const float* values, const Shape& shape) const;
  // The same for all numbers of a vector. Throws Error, and changes nothing, if they are not
  // count().
  void Set(const std::vector<float>& values) const;
  // Throws Error, and changes nothing, if `shape` has more or fewer numbers, or if the net does not
  // take it.
  void Set(const std::vector<float>& values, const Shape& shape) const;

  // Gives the input another shape and, if it differs, zeros for values. See Predictor::Reshape.
  void Reshape(const Shape& shape) const;

 private:
  PredictorState* state_;
  size_t index_;
};

// What the last Run has computed for a blob, on the host, in the same form. The numbers are valid
// until the predictor runs again, is reshaped, or ends.
class OutputView {
 public:
  // For Predictor::Output; `values` must live as long.
  OutputView(std::string name, Shape shape, const std::vector<float>& values)
      : name_(std::move(name)),
        shape_(std::move(shape)),
        data_(values.data()),
        size_(values.size()) {}

  const std::string& name() const { return name_; }   // of the blob, in the net's file
  const Shape& shape() const { return shape_; }       // of the last run
  const float* data() const { return data_; }         // size() numbers in the order of shape()
  size_t size() const { return size_; }               // shape().count()
  const float* begin() const { return data_; }        // for range-based for, and algorithms
  const float* end() const { return data_ + size_; }  // one after the last number
  // `i` is not checked.
  float operator[](size_t i) const { return data_[i]; }

 private:
  std::string name_;
  Shape shape_;
  const float* data_;
  size_t size_;
};

// A trained net, ready to run: in phase TEST, without memory for gradients.
//
//   crema::Predictor predictor("deploy.prototxt", "net.caffemodel");
//   predictor.Input("data").Set(image);
//   predictor.Run();
//   crema::OutputView prob = predictor.Output("prob");
//
// All functions throw Error, with one sentence, for what is wrong with files, names, sizes or the
// machine; after that the predictor can be used as before, if it has been made. Memory that runs
// out on the host may also be std::bad_alloc. The program's locale, signal handlers, floating-point
// mode and number of OpenMP threads stay as they are, and so does that of BLAS, but for the time of
// a Run. Nothing is written to standard output or error, unless the net's file says `debug_info` or
// has data layers beside its inputs.
//
// A predictor is used by one thread at a time, not always the same one. Predictors that share
// weights may be used by several threads at once, one each. On the CPU they work at the same time;
// on a GPU, one after the other. If the process forks, then in the child a predictor that computed
// with several threads before, in the thread that forked, cannot Run (an Error): threads do not
// survive a fork. One that is made there, also by Share from such a one, computes with one thread.
// What was moved from can only be assigned to or destroyed.
class Predictor {
 public:
  // Reads a net (`.prototxt`, in any format of Caffe's) and its weights (`.caffemodel`, or
  // `.caffemodel.h5`; HDF5 files are tried in a child process first). The weights
  // may be "" for a net without parameters, or with PredictorOptions::partial_weights; layers then
  // keep the initial values that the net's file tells. A net for training is accepted if,
  // in phase TEST, its data come from Input layers.
  Predictor(const std::string& net_file, const std::string& weights_file,
            const PredictorOptions& options = {});
  // Frees the net, and the weights if no other predictor uses them. Views of it are invalid then.
  ~Predictor();
  // Views of `other` become views of the new one.
  Predictor(Predictor&& other) noexcept;
  // The same; what this one was before ends.
  Predictor& operator=(Predictor&& other) noexcept;

  // Another predictor of the same net with the same options and shapes, which uses the weights of
  // this one, and has inputs (zeros), outputs and working memory of its own. Either may end first;
  // the memory of the one that gave the weights is returned with the last that uses them.
  Predictor Share() const;

  // The names of the inputs, in the net's order.
  std::vector<std::string> inputs() const;
  // The names of the outputs, which are the blobs that no layer reads, sorted.
  std::vector<std::string> outputs() const;

  // The input of that name; "": the only one.
  InputView Input(const std::string& name = "");

  // Gives the inputs that are named other shapes, all at once, and zeros for values where a shape
  // changes; what is computed is lost then. Memory grows as needed, and does not shrink. Throws
  // Error if there is no such input, if a layer cannot take the sizes (an InnerProduct takes one
  // size of image only), or if memory runs out; everything is then as it was.
  void Reshape(const std::map<std::string, Shape>& shapes);
  // The same for the first extent of all inputs.
  void SetBatch(int64_t batch);

  // Computes the outputs from the inputs. Equal inputs give equal outputs, to the last bit, on the
  // same machine with the same options (a net that carries a state from one batch to the next, such
  // as an LSTM, goes on from it). Throws Error if a layer finds its input wrong (a label out of
  // range).
  void Run();

  // The output of that name; "": the only one. Throws Error if nothing has been run since the
  // predictor was made or reshaped.
  OutputView Output(const std::string& name = "");

  // What the net itself takes on its device, in bytes. Weights are counted where they were loaded,
  // not again where they are shared.
  size_t memory_bytes() const;

  // The net inside, for who needs to know more (see crema/net.h).
  const Net& net() const;

 private:
  explicit Predictor(std::unique_ptr<PredictorState> state);  // for Share
  std::unique_ptr<PredictorState> state_;
};

}  // namespace crema
