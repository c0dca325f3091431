// What the traits of every layer claim, held against a plain run, by our own code and by each
// engine. What a layer says that it does not need is NaN by then. Equal means equal bit for bit
// but where another order of adding up is allowed.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "crema/dev/registry.h"
#include "layers/layer_uses.h"

namespace crema::test {
namespace {

using Values = std::vector<double>;

// Some slopes are no numbers where an input is 0.
void ExpectSame(const Values& actual, const Values& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    if (std::isnan(expected[i])) continue;
    const double scale = std::max({1.0, std::fabs(actual[i]), std::fabs(expected[i])});
    ASSERT_TRUE(std::fabs(actual[i] - expected[i]) <= tolerance * scale)
        << "element " << i << " is " << actual[i] << ", but should be " << expected[i];
  }
}

void ExpectSameTops(const LayerRunner& actual, const LayerRunner& expected, double tolerance) {
  ASSERT_EQ(actual.tops(), expected.tops());
  for (int t = 0; t < expected.tops(); ++t) {
    SCOPED_TRACE(Concat("top ", t));
    ExpectSame(actual.Top(t), expected.Top(t), tolerance);
  }
}

void ExpectSameParams(const LayerRunner& actual, const LayerRunner& expected, double tolerance) {
  for (int p = 0; p < expected.params(); ++p) {
    SCOPED_TRACE(Concat("parameter ", p));
    ExpectSame(actual.Param(p), expected.Param(p), tolerance);
  }
}

void ExpectSameGradients(const LayerRunner& actual, const LayerRunner& expected, double tolerance) {
  const std::vector<bool> sent = expected.DefaultPropagateDown();
  for (int b = 0; b < expected.bottoms(); ++b) {
    SCOPED_TRACE(Concat("gradient of bottom ", b));
    if (sent[b]) ExpectSame(actual.BottomDiff(b), expected.BottomDiff(b), tolerance);
  }
  for (int p = 0; p < expected.params(); ++p) {
    SCOPED_TRACE(Concat("gradient of parameter ", p));
    if (expected.wants_gradient(p)) {
      ExpectSame(actual.ParamDiff(p), expected.ParamDiff(p), tolerance);
    }
  }
}

// In place, the gradient of the top lies where that of the bottom will.
void SetTopDiffs(LayerRunner* runner) {
  const BlobList tops = runner->top_blobs();
  for (size_t t = 0; t < tops.size(); ++t) {
    if (!tops[t]->has_diff()) continue;
    runner->SetTopDiff(static_cast<int>(t), RandomValues(tops[t]->count(), 101 + t));
  }
}

void RunPasses(const LayerUse& use, LayerRunner* runner) {
  runner->Forward();
  if (!use.RunsBackward()) return;
  SetTopDiffs(runner);
  runner->Backward();
}

void Fill(const Tensor& tensor, double value) {
  if (!tensor.empty()) tensor.FromHost(Values(static_cast<size_t>(tensor.count()), value));
}

void Poison(const Tensor& tensor) { Fill(tensor, std::numeric_limits<double>::quiet_NaN()); }

// 1 where a value is above 0, else -1.
Values SignsOf(Values values) {
  for (double& value : values) value = value > 0 ? 1 : -1;
  return values;
}

// Leaves of a tensor what Backward needs of it.
void LeaveNeeded(const LayerTraits& traits, bool needs, const Tensor& tensor) {
  if (!needs) {
    Poison(tensor);
  } else if (traits.backward_needs_only_signs) {
    tensor.FromHost(SignsOf(tensor.ToHost<double>()));
  }
}

// Without the runner: the gradients of the parameters are added to what is there.
void AddGradients(LayerRunner* runner) {
  Layer& layer = runner->layer();
  for (int p = 0; p < runner->params(); ++p) layer.SetOverwriteGradient(p, false);
  layer.Backward(runner->context(), runner->top_blobs(), runner->DefaultPropagateDown(),
                 runner->bottom_blobs());
  runner->context().device().Synchronize();
}

class TraitsTest : public testing::TestWithParam<std::string> {
 protected:
  // Calls check(use) for those uses for which `when` holds.
  template <class When, class Check>
  void ForUses(const When& when, const Check& check) {
    for (const LayerUse& use : uses_.Of(GetParam())) {
      if (!when(use)) continue;
      SCOPED_TRACE(use.ToString());
      check(use);
      if (HasFatalFailure()) return;
    }
  }

  std::unique_ptr<LayerRunner> Make(const LayerUse& use) { return uses_.Make(use); }

  LayerUses uses_;
};
INSTANTIATE_TEST_SUITE_P(Types, TraitsTest, testing::ValuesIn(ExampleTypes()),
                         [](const auto& info) { return info.param; });

bool RunsBackward(const LayerUse& use) { return use.RunsBackward(); }
bool IsInPlace(const LayerUse& use) { return use.options.in_place; }
bool IsApart(const LayerUse& use) { return !use.options.in_place; }

TEST_P(TraitsTest, ItsArityFits) {
  ForUses([](const LayerUse&) { return true; },
          [](const LayerUse& use) {
            const int bottoms = static_cast<int>(use.example.bottoms.size()),
                      tops = use.example.tops;
            EXPECT_GE(bottoms, use.traits.min_bottoms);
            EXPECT_TRUE(use.traits.max_bottoms < 0 || bottoms <= use.traits.max_bottoms);
            EXPECT_TRUE(use.traits.adds_missing_tops || tops >= use.traits.min_tops);
            EXPECT_TRUE(use.traits.max_tops < 0 || tops <= use.traits.max_tops);
          });
}

TEST_P(TraitsTest, BackwardLooksAtNothingElse) {
  ForUses(RunsBackward, [&](const LayerUse& use) {
    const auto expected = Make(use), actual = Make(use);
    RunPasses(use, expected.get());
    actual->Forward();
    const LayerTraits traits = actual->layer().traits();
    const BlobList bottoms = actual->bottom_blobs(), tops = actual->top_blobs();
    for (size_t b = 0; b < bottoms.size(); ++b) {
      const bool is_top = use.options.in_place && b == 0;
      const bool needs =
          traits.backward_needs_bottom_data || (is_top && traits.backward_needs_top_data);
      LeaveNeeded(traits, needs, bottoms[b]->data_tensor());
      Poison(bottoms[b]->diff_tensor());  // Backward writes it, and does not add to it
    }
    for (size_t t = use.options.in_place ? 1 : 0; t < tops.size(); ++t) {
      LeaveNeeded(traits, traits.backward_needs_top_data, tops[t]->data_tensor());
    }
    SetTopDiffs(actual.get());
    actual->Backward();
    ExpectSameGradients(*actual, *expected, 0);
  });
}

TEST_P(TraitsTest, SignsStay) {
  const auto keeps_signs = [](const LayerUse& use) {
    return use.RunsBackward() && use.traits.keeps_signs;
  };
  ForUses(keeps_signs, [&](const LayerUse& use) {
    const auto runner = Make(use);
    const Values x = runner->Bottom();
    runner->Forward();
    const Values y = runner->Top();
    SetTopDiffs(runner.get());
    runner->Backward();
    const Values dx = runner->BottomDiff();
    for (size_t i = 0; i < x.size(); ++i) {
      if (dx[i] == 0) continue;
      EXPECT_EQ(y[i] > 0, x[i] > 0) << "element " << i;
    }
  });
}

TEST_P(TraitsTest, InPlaceGivesTheSame) {
  ForUses(IsInPlace, [&](const LayerUse& use) {
    LayerUse apart = use;
    apart.options.in_place = false;
    const auto expected = Make(apart), actual = Make(use);
    RunPasses(apart, expected.get());
    RunPasses(use, actual.get());
    ExpectSameTops(*actual, *expected, 0);
    ExpectSameParams(*actual, *expected, 0);
    if (use.RunsBackward()) ExpectSameGradients(*actual, *expected, 0);
  });
}

// Engines are held against our own code by their tests.
TEST_P(TraitsTest, BothLayoutsGiveTheSame) {
  const auto is_channels_last = [](const LayerUse& use) {
    return use.options.layout == Layout::kChannelsLast && use.options.engine == "CAFFE";
  };
  ForUses(is_channels_last, [&](const LayerUse& use) {
    LayerUse plain = use;
    plain.options.layout = Layout::kPlain;
    const auto expected = Make(plain), actual = Make(use);
    RunPasses(plain, expected.get());
    RunPasses(use, actual.get());
    ExpectSameTops(*actual, *expected, use.tolerance());
    ExpectSameParams(*actual, *expected, use.tolerance());
    if (use.RunsBackward()) ExpectSameGradients(*actual, *expected, use.tolerance());
  });
}

// Whether a net may give the layer a part of the batch: all blobs have it as their first axis.
bool TakesParts(const LayerUse& use, LayerRunner& whole) {
  if (!whole.layer().traits().is_per_sample) return false;
  const std::vector<Shape>& bottoms = use.example.bottoms;
  for (const Shape& shape : bottoms) {
    if (shape.rank() == 0 || shape[0] != bottoms[0][0]) return false;
  }
  for (int t = 0; t < whole.tops(); ++t) {
    const Shape& shape = whole.top_shape(t);
    if (shape.rank() == 0 || shape[0] != bottoms[0][0]) return false;
  }
  return whole.tops() > 0;
}

// Of one sample of so many.
Values PartOf(const Values& values, int64_t sample, int64_t samples) {
  const auto size = static_cast<int64_t>(values.size()) / samples;
  return {values.begin() + sample * size, values.begin() + (sample + 1) * size};
}

bool IsForInference(const LayerUse& use) { return use.options.phase == Phase::kTest; }

TEST_P(TraitsTest, SamplesMayComeOneByOne) {
  ForUses(IsForInference, [&](LayerUse use) {
    use.options.runs_backward = false;
    const auto whole = Make(use);
    if (!TakesParts(use, *whole)) return;
    std::vector<Values> bottoms;
    for (int b = 0; b < whole->bottoms(); ++b) bottoms.push_back(whole->Bottom(b));
    whole->Forward();
    const int64_t samples = use.example.bottoms[0][0];
    std::vector<Shape> shapes = use.example.bottoms;
    for (Shape& shape : shapes) shape.at(0) = 1;
    const auto part = Make(use);
    part->Reshape(shapes);  // as a net does it, which has chosen the engine by then
    for (int p = 0; p < part->params(); ++p) part->SetParam(p, whole->Param(p));
    for (int64_t s = 0; s < samples; ++s) {
      SCOPED_TRACE(Concat("sample ", s));
      for (int b = 0; b < part->bottoms(); ++b) {
        part->SetBottom(b, PartOf(bottoms[b], s, samples));
      }
      part->Forward();
      for (int t = 0; t < part->tops(); ++t) {
        ExpectSame(part->Top(t), PartOf(whole->Top(t), s, samples), use.tolerance());
      }
    }
  });
}

// Twice, so that what a second pass through the same batch would change shows in the next one.
TEST_P(TraitsTest, RecomputeGivesTheSame) {
  const auto can_recompute = [](const LayerUse& use) {
    return IsApart(use) && use.traits.can_recompute && !use.traits.shapes_depend_on_data;
  };
  ForUses(can_recompute, [&](const LayerUse& use) {
    const auto expected = Make(use), actual = Make(use);
    for (uint64_t pass = 0; pass < 2; ++pass) {
      SCOPED_TRACE(Concat("pass ", pass));
      for (LayerRunner* runner : {expected.get(), actual.get()}) runner->context().SetStep(pass);
      RunPasses(use, expected.get());
      actual->Forward();
      for (const Blob* top : actual->top_blobs()) Poison(top->data_tensor());
      actual->layer().Recompute(actual->context(), actual->bottom_blobs(), actual->top_blobs());
      actual->context().device().Synchronize();
      ExpectSameTops(*actual, *expected, 0);
      if (use.RunsBackward()) {
        SetTopDiffs(actual.get());
        actual->Backward();
        ExpectSameGradients(*actual, *expected, 0);
      }
      ExpectSameParams(*actual, *expected, 0);
    }
  });
}

// The runner overwrites gradients if the layer says that it can.
TEST_P(TraitsTest, GradientsAreAddedOrWritten) {
  ForUses(RunsBackward, [&](const LayerUse& use) {
    const auto written = Make(use), added = Make(use);
    if (written->params() == 0) return;
    RunPasses(use, written.get());
    added->Forward();
    SetTopDiffs(added.get());
    for (const Blob* param : added->layer().params()) Fill(param->diff_tensor(), 1);
    AddGradients(added.get());
    for (int p = 0; p < added->params(); ++p) {
      if (!added->wants_gradient(p)) continue;
      SCOPED_TRACE(Concat("gradient of parameter ", p));
      Values expected = written->ParamDiff(p);
      for (double& value : expected) value += 1;
      ExpectSame(added->ParamDiff(p), expected, use.tolerance());
    }
  });
}

// Lent memory that holds NaNs, and is as large as the plan says and no larger.
TEST_P(TraitsTest, ScratchMemoryIsWhatWasPlanned) {
  ForUses([](const LayerUse&) { return true; },
          [&](const LayerUse& use) {
            const auto expected = Make(use), actual = Make(use);
            RunPasses(use, expected.get());
            Context& context = actual->context();
            const size_t bytes = actual->plan().scratch_bytes;
            const auto words = static_cast<int64_t>((bytes + 3) / 4);
            const Tensor scratch(context.shared_device(), DType::kInt32, Shape{words});
            Fill(scratch, -1);  // as a number of either type, no number
            context.LendScratch(words > 0 ? scratch.raw() : nullptr, bytes);
            RunPasses(use, actual.get());
            context.LendScratch(nullptr, 0);
            EXPECT_EQ(context.scratch_bytes(), 0u)
                << "bytes are used, but " << bytes << " are planned";
            ExpectSameTops(*actual, *expected, 0);
            if (use.RunsBackward()) ExpectSameGradients(*actual, *expected, 0);
          });
}

// The top's blob on the bottom's memory, as a net does it for these.
TEST_P(TraitsTest, SharedMemoryHoldsTheSame) {
  const auto shares = [](const LayerUse& use) {
    return IsApart(use) && (use.traits.tops_share_bottom_data || use.traits.tops_share_bottom_diff);
  };
  ForUses(shares, [&](const LayerUse& use) {
    const auto runner = Make(use);
    const Values x = runner->Bottom();
    RunPasses(use, runner.get());
    if (use.traits.tops_share_bottom_data) {
      for (int t = 0; t < runner->tops(); ++t) ExpectSame(runner->Top(t), x, 0);
    }
    const bool shares_diff = use.traits.tops_share_bottom_diff && use.RunsBackward();
    if (shares_diff) {
      for (int t = 0; t < runner->tops(); ++t)
        ExpectSame(runner->BottomDiff(), runner->TopDiff(t), 0);
    }
    if (runner->tops() != 1 || !use.traits.tops_share_bottom_data) return;
    const Blob& bottom = *runner->bottom_blobs()[0];
    const Shape& shape = runner->top_shape();
    Blob top("top", bottom.data_tensor().Reshaped(shape), bottom.diff_tensor().Reshaped(shape));
    runner->layer().Forward(runner->context(), runner->bottom_blobs(), {&top});
    const Values dy = runner->BottomDiff();
    if (shares_diff) {
      runner->layer().Backward(runner->context(), {&top}, runner->DefaultPropagateDown(),
                               runner->bottom_blobs());
      ExpectSame(runner->BottomDiff(), dy, 0);
    }
    ExpectSame(runner->Bottom(), x, 0);
  });
}

TEST_P(TraitsTest, TakesBottomsOfAnyNumberType) {
  const auto takes_any = [](const LayerUse& use) {
    return IsApart(use) && use.traits.accepts_any_dtype && use.options.layout == Layout::kPlain;
  };
  ForUses(takes_any, [&](const LayerUse& use) {
    const auto runner = Make(use);
    PlanInput input = runner->input();
    for (TensorType& bottom : input.bottoms) bottom.dtype = DType::kInt32;
    const LayerPlan plan = runner->layer().Plan(input);
    runner->layer().Bind({}, {}, {});
    Context& context = runner->context();
    std::vector<Blob> bottoms, tops;
    for (const TensorType& type : input.bottoms) {
      const Tensor& x =
          bottoms.emplace_back("x", Tensor(context.shared_device(), DType::kInt32, type.shape))
              .data_tensor();
      x.FromHost(RandomLabels(type.shape.count(), 1000));
    }
    for (const TensorSpec& top : plan.tops) {
      tops.emplace_back(
          "y", Tensor(context.shared_device(), top.dtype.value_or(input.dtype), top.shape));
    }
    BlobList bottom, top;
    for (Blob& blob : bottoms) bottom.push_back(&blob);
    for (Blob& blob : tops) top.push_back(&blob);
    runner->layer().Forward(context, bottom, top);
    context.device().Synchronize();
    if (!use.traits.tops_share_bottom_data) return;
    for (const Blob& y : tops) {
      EXPECT_EQ(y.data_tensor().ToHost<double>(), bottoms[0].data_tensor().ToHost<double>());
    }
  });
}

// Some processors lack what an engine needs, and Winograd's way has to pay on them.
bool MayBeMissing(const std::string& engine) { return engine == "BF16" || engine == "WINOGRAD"; }

TEST(TraitsCoverageTest, EveryEngineTakesAnExample) {
  LayerUses uses;
  for (const std::string& type : LayerTypes(DeviceKind::kCpu)) {
    std::set<std::string> taken;
    for (const LayerUse& use : uses.Of(type)) taken.insert(use.options.engine);
    for (const std::string& engine : EnginesOf(type, DeviceKind::kCpu)) {
      if (MayBeMissing(engine)) continue;
      EXPECT_EQ(taken.count(engine), 1u)
          << engine << " has " << type << ", but no test runs it: add an example that it takes to "
          << "EngineExamples() in tests/layers/layer_uses.cpp";
    }
  }
}

}  // namespace
}  // namespace crema::test
