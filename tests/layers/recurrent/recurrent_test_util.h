// The tests that RNN and LSTM share.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "util/layer_runner.h"

namespace crema::test {

struct RecurrentCase {
  std::string type;
  int hidden;  // states that expose_hidden shows
  DeviceKind device;
  bool exposed = false;

  std::string Text() const {
    return "type: '" + type +
           "' recurrent_param { num_output: 3 weight_filler { type: 'gaussian' "
           "std: 0.6 } bias_filler { type: 'gaussian' std: 0.3 } expose_hidden: " +
           (exposed ? "true" : "false") + " }";
  }

  // Bottoms after x and cont are given by `more`.
  LayerRunner MakeRunner(int steps, int sequences, const std::vector<Shape>& more = {},
                         DType dtype = DType::kFloat64) const {
    RunnerOptions options;
    options.device = device;
    options.dtype = dtype;
    options.tops = exposed ? 1 + hidden : 1;
    std::vector<Shape> bottoms = {Shape{steps, sequences, 2, 1}, Shape{steps, sequences}};
    bottoms.insert(bottoms.end(), more.begin(), more.end());
    if (exposed) bottoms.insert(bottoms.end(), hidden, Shape{1, sequences, 3});
    return LayerRunner(Text(), bottoms, options);
  }
};

// What the layer carries on is not reset, so a check that runs it often sets cont[0] to 0 first.
inline std::vector<double> ContOf(int steps, int sequences,
                                  const std::vector<std::pair<int, int>>& begins) {
  std::vector<double> cont(steps * sequences, 1);
  for (int n = 0; n < sequences; ++n) cont[n] = 0;
  for (const auto& [t, n] : begins) cont[t * sequences + n] = 0;
  return cont;
}

// Column n of a T x N x D blob.
inline std::vector<double> SequenceOf(const std::vector<double>& values, int steps, int sequences,
                                      int n) {
  const size_t length = values.size() / (static_cast<size_t>(steps) * sequences);
  std::vector<double> sequence;
  for (int t = 0; t < steps; ++t) {
    const auto first = values.begin() + static_cast<int64_t>((t * sequences + n) * length);
    sequence.insert(sequence.end(), first, first + static_cast<int64_t>(length));
  }
  return sequence;
}

inline void CopyParams(LayerRunner& from, LayerRunner& to) {
  for (int p = 0; p < from.params(); ++p) to.SetParam(p, from.Param(p));
}

// Sequences of 4 + 2, 1 + 5 and 6 steps in one batch give what each gives alone.
inline void CheckSequencesDoNotMix(const RecurrentCase& test) {
  LayerRunner batch = test.MakeRunner(6, 3);
  batch.SetBottom(1, ContOf(6, 3, {{4, 0}, {1, 1}}));
  batch.Forward();
  const std::vector<double> x = batch.Bottom(0), y = batch.Top(0);
  const std::vector<std::vector<int>> lengths = {{4, 2}, {1, 5}, {6}};
  for (int n = 0; n < 3; ++n) {
    const std::vector<double> inputs = SequenceOf(x, 6, 3, n), outputs = SequenceOf(y, 6, 3, n);
    int first = 0;
    for (int length : lengths[n]) {
      LayerRunner alone = test.MakeRunner(length, 1);
      CopyParams(batch, alone);
      alone.SetBottom(0, {inputs.begin() + 2 * first, inputs.begin() + 2 * (first + length)});
      alone.SetBottom(1, ContOf(length, 1, {}));
      alone.Forward();
      ExpectNear(alone.Top(0),
                 {outputs.begin() + 3 * first, outputs.begin() + 3 * (first + length)}, 1e-13);
      first += length;
    }
  }
}

// Two batches of 3 steps, the second going on, are one of 6.
inline void CheckCarriesOn(const RecurrentCase& test) {
  LayerRunner whole = test.MakeRunner(6, 2), half = test.MakeRunner(3, 2);
  CopyParams(whole, half);
  whole.SetBottom(1, ContOf(6, 2, {}));
  whole.Forward();
  const std::vector<double> x = whole.Bottom(0), y = whole.Top(0);
  half.SetBottom(0, {x.begin(), x.begin() + 12});
  half.SetBottom(1, ContOf(3, 2, {}));
  half.Forward();
  ExpectNear(half.Top(0), {y.begin(), y.begin() + 18}, 1e-13);
  half.SetBottom(0, {x.begin() + 12, x.end()});
  half.SetBottom(1, std::vector<double>(6, 1));
  half.Forward();
  ExpectNear(half.Top(0), {y.begin() + 18, y.end()}, 1e-13);
}

// A fresh layer goes on from zeros.
inline void CheckBeginsWithZeros(const RecurrentCase& test) {
  LayerRunner fresh = test.MakeRunner(3, 2), begun = test.MakeRunner(3, 2);
  CopyParams(fresh, begun);
  fresh.SetBottom(1, std::vector<double>(6, 1));
  begun.SetBottom(1, ContOf(3, 2, {}));
  fresh.Forward();
  begun.Forward();
  ExpectNear(fresh.Top(0), begun.Top(0), 0);
}

// Passing the states out of one layer and into the next is the same as carrying them.
inline void CheckExposedStates(RecurrentCase test) {
  LayerRunner carried = test.MakeRunner(6, 2);
  carried.SetBottom(1, ContOf(6, 2, {}));
  carried.Forward();
  const std::vector<double> x = carried.Bottom(0), y = carried.Top(0);
  test.exposed = true;
  LayerRunner first = test.MakeRunner(2, 2), second = test.MakeRunner(4, 2);
  CopyParams(carried, first);
  CopyParams(carried, second);
  first.SetBottom(0, {x.begin(), x.begin() + 8});
  first.SetBottom(1, std::vector<double>(4, 1));
  second.SetBottom(1, std::vector<double>(8, 1));
  for (int i = 0; i < test.hidden; ++i) first.SetBottom(2 + i, std::vector<double>(6, 0));
  first.Forward();
  second.SetBottom(0, {x.begin() + 8, x.end()});
  for (int i = 0; i < test.hidden; ++i) {
    EXPECT_EQ(first.top_shape(1 + i), (Shape{1, 2, 3}));
    second.SetBottom(2 + i, first.Top(1 + i));
  }
  second.Forward();
  ExpectNear(first.Top(0), {y.begin(), y.begin() + 12}, 1e-13);
  ExpectNear(second.Top(0), {y.begin() + 12, y.end()}, 1e-13);
}

// A static input of all steps is an input that is the same in each.
inline void CheckStaticInput(const RecurrentCase& test) {
  LayerRunner with = test.MakeRunner(4, 2, {Shape{2, 5}});
  with.SetBottom(1, ContOf(4, 2, {{2, 1}}));
  with.Forward();
  ASSERT_EQ(with.param_shape(2)[1], 5);
  const int sums = static_cast<int>(with.param_shape(0)[0]);
  RunnerOptions options;
  options.device = test.device;
  LayerRunner joined(test.Text(), {Shape{4, 2, 7}, Shape{4, 2}}, options);
  std::vector<double> weights, x;
  for (int r = 0; r < sums; ++r) {
    for (int i = 0; i < 2; ++i) weights.push_back(with.Param(0)[r * 2 + i]);
    for (int i = 0; i < 5; ++i) weights.push_back(with.Param(2)[r * 5 + i]);
  }
  for (int t = 0; t < 4; ++t) {
    for (int n = 0; n < 2; ++n) {
      for (int i = 0; i < 2; ++i) x.push_back(with.Bottom(0)[(t * 2 + n) * 2 + i]);
      for (int i = 0; i < 5; ++i) x.push_back(with.Bottom(2)[n * 5 + i]);
    }
  }
  joined.SetParam(0, weights);
  joined.SetParam(1, with.Param(1));
  for (int p = 3; p < with.params(); ++p) joined.SetParam(p - 1, with.Param(p));
  joined.SetBottom(0, x);
  joined.SetBottom(1, with.Bottom(1));
  joined.Forward();
  ExpectNear(joined.Top(0), with.Top(0), 1e-13);
}

inline void CheckRecurrentGradients(RecurrentCase test) {
  LayerRunner plain = test.MakeRunner(4, 3);
  plain.SetBottom(1, ContOf(4, 3, {{2, 0}, {1, 2}}));
  CheckGradients(plain);
  LayerRunner with_static = test.MakeRunner(3, 2, {Shape{2, 2, 2}});
  with_static.SetBottom(1, ContOf(3, 2, {{1, 0}}));
  CheckGradients(with_static);
  // Nothing is carried on, so the first step may go on; the states get gradients, too.
  test.exposed = true;
  LayerRunner exposed = test.MakeRunner(3, 2);
  exposed.SetBottom(1, {1, 0, 1, 1, 0, 1});
  CheckGradients(exposed);
  LayerRunner everything = test.MakeRunner(3, 2, {Shape{2, 3}});
  CheckGradients(everything);
}

inline void CheckRecurrentEdges(const RecurrentCase& test) {
  LayerRunner empty = test.MakeRunner(3, 0);
  empty.Forward();
  empty.Backward();
  EXPECT_EQ(empty.top_shape(), (Shape{3, 0, 3}));
  RunnerOptions options;
  options.device = test.device;
  const std::string name = "'test' (" + test.type + ")";
  ExpectError(
      [&] {
        LayerRunner(test.Text(), {Shape{3}, Shape{3, 1}}, options);
      },
      {name, "3 (3)", "T x N"});
  ExpectError(
      [&] {
        LayerRunner(test.Text(), {Shape{3, 2, 4}, Shape{2, 3}}, options);
      },
      {name, "cont", "3 x 2"});
  ExpectError(
      [&] {
        LayerRunner(test.Text(), {Shape{3, 2, 4}, Shape{3, 2}, Shape{3, 4}}, options);
      },
      {name, "static", "axis 0 must be 2"});
  ExpectError(
      [&] {
        LayerRunner("type: '" + test.type + "'", {Shape{3, 2, 4}, Shape{3, 2}}, options);
      },
      {name, "num_output is missing"});
}

}  // namespace crema::test
