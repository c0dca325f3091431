// One net trained by two trainers, each on a thread of its own with a half of each batch.
#include "crema/gradient_combiner.h"

#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "crema/dev/registry.h"
#include "train/train_test_util.h"
#include "util/layer_runner.h"

namespace crema {
namespace {

// Records of four numbers and a label, both made of the record's number.
class SharedRecordsLayer : public Layer {
 public:
  SharedRecordsLayer(const proto::LayerParameter& config, Phase phase)
      : Layer(config, phase), batch_(config.data_param().batch_size()) {}
  LayerTraits traits() const override { return LayerTraits::Source(2, 2); }
  LayerPlan Plan(const PlanInput&) override {
    LayerPlan plan;
    plan.tops = {Shape{batch_, 4}, Shape{batch_}};
    return plan;
  }
  void Start(Context& ctx) override { rank_ = ctx.rank(); }
  void Forward(Context&, const BlobList&, const BlobList& top) override {
    auto* values = top[0]->mutable_data<double>();
    auto* labels = top[1]->mutable_data<double>();
    for (int64_t i = 0; i < batch_; ++i) {
      const int64_t record = static_cast<int64_t>(position_) + rank_.index * batch_ + i;
      for (int64_t j = 0; j < 4; ++j) {
        values[i * 4 + j] = std::sin(0.7 * static_cast<double>(record * 4 + j));
      }
      labels[i] = static_cast<double>(record % 3);
    }
    position_ += static_cast<uint64_t>(batch_ * rank_.count);
  }
  std::optional<uint64_t> position() const override { return position_; }
  void Seek(uint64_t records) override { position_ = records; }
  bool shares_source() const override { return true; }

 private:
  const int64_t batch_;
  Rank rank_;
  uint64_t position_ = 0;
};

CREMA_REGISTER_LAYER("SharedRecordsOfTests", SharedRecordsLayer);

proto::SolverParameter SolverFor(int batch, const std::string& more = "") {
  return ParseSolver(
      "net_param { name: 'shared' "
      "layer { name: 'data' type: 'SharedRecordsOfTests' top: 'data' top: 'label' "
      "  data_param { batch_size: " +
          std::to_string(batch) +
          " } } "
          "layer { name: 'a' type: 'InnerProduct' bottom: 'data' top: 'a' "
          "  inner_product_param { num_output: 6 weight_filler { type: 'xavier' } } } "
          "layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'a' } "
          "layer { name: 'b' type: 'InnerProduct' bottom: 'a' top: 'b' "
          "  inner_product_param { num_output: 3 weight_filler { type: 'xavier' } } } "
          "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'b' bottom: 'label' top: 'loss' } "
          "} "
          "base_lr: 0.1 momentum: 0.9 weight_decay: 0.01 lr_policy: 'fixed' random_seed: 5 "
          "max_iter: 100 snapshot_after_train: false ",
      more);
}

// Where ranks exchange numbers.
class Meeting {
 public:
  explicit Meeting(int ranks) : all_(static_cast<size_t>(ranks)) {}

  // Waits for all ranks. Throws Error if one has left.
  std::vector<double> MeanOf(int rank, std::vector<double> values) {
    std::unique_lock<std::mutex> lock(mutex_);
    const int round = round_;
    all_[static_cast<size_t>(rank)] = std::move(values);
    if (++arrived_ == all_.size()) {
      mean_ = all_[0];
      for (size_t r = 1; r < all_.size(); ++r) {
        for (size_t i = 0; i < mean_.size(); ++i) mean_[i] += all_[r].at(i);
      }
      for (double& value : mean_) value /= static_cast<double>(all_.size());
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ != round || left_; });
    if (round_ == round) Fail("another rank has failed");
    return mean_;
  }

  // For a rank that goes no further.
  void Leave() {
    const std::lock_guard<std::mutex> lock(mutex_);
    left_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<double>> all_;  // by rank
  std::vector<double> mean_;
  size_t arrived_ = 0;
  int round_ = 0;
  bool left_ = false;
};

class MeetingCombiner : public GradientCombiner {
 public:
  MeetingCombiner(Meeting* meeting, int rank) : meeting_(*meeting), rank_(rank) {}
  size_t LeastPieceBytes() const override { return 1; }
  void Begin(const Context&, const Tensor& piece) override { pieces_.push_back(piece); }
  void Finish(const Context&) override {
    for (const Tensor& piece : std::exchange(pieces_, {})) {
      piece.FromHost(meeting_.MeanOf(rank_, piece.ToHost<double>()));
      ++combined;
    }
  }

  int combined = 0;

 private:
  Meeting& meeting_;
  int rank_;
  std::vector<Tensor> pieces_;
};

TrainOptions Options() {
  TrainOptions options;
  options.dtype = DType::kFloat64;
  options.threads = 1;
  return options;
}

struct Trained {
  std::vector<double> weights;
  std::vector<std::pair<std::string, uint64_t>> positions;
  int combined = 0;
  std::string error;
};

Trained TrainAlone(const proto::SolverParameter& solver, int iterations) {
  Trainer trainer(solver, Options());
  EXPECT_TRUE(trainer.Step(iterations));
  return {WeightsOf(trainer), trainer.net().DataPositions(), 0, ""};
}

Trained TrainRank(const proto::SolverParameter& solver, int iterations, Rank rank,
                  Meeting* meeting) {
  Trained result;
  try {
    const auto combiner = std::make_shared<MeetingCombiner>(meeting, rank.index);
    TrainOptions options = Options();
    options.rank = rank;
    options.combiner = combiner;
    Trainer trainer(solver, options);
    trainer.Step(iterations);
    result = {WeightsOf(trainer), trainer.net().DataPositions(), combiner->combined, ""};
  } catch (const std::exception& error) {
    result.error = error.what();
    meeting->Leave();
  }
  return result;
}

std::vector<Trained> TrainTogether(const proto::SolverParameter& solver, int iterations,
                                   int ranks) {
  Meeting meeting(ranks);
  std::vector<Trained> results(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      results[static_cast<size_t>(r)] = TrainRank(solver, iterations, {r, ranks}, &meeting);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

void ExpectAsAlone(const std::vector<Trained>& ranks, const Trained& alone) {
  for (const Trained& rank : ranks) {
    ASSERT_EQ(rank.error, "");
    EXPECT_EQ(rank.weights, ranks[0].weights);  // bit for bit
    EXPECT_EQ(rank.positions, alone.positions);
    ASSERT_EQ(rank.weights.size(), alone.weights.size());
    for (size_t i = 0; i < alone.weights.size(); ++i) {
      ASSERT_NEAR(rank.weights[i], alone.weights[i], 1e-12) << i;
    }
  }
}

TEST(GradientCombinerTest, TwoRanksTrainAsOneWithTwiceTheBatch) {
  const std::vector<Trained> ranks = TrainTogether(SolverFor(4), 7, 2);
  ExpectAsAlone(ranks, TrainAlone(SolverFor(8), 7));
  EXPECT_EQ(ranks[0].combined, 7 * 4);  // two layers with weights and bias
  EXPECT_EQ(ranks[0].positions[0].second, 7u * 8);
}

TEST(GradientCombinerTest, ThreeRanksDoSoToo) {
  ExpectAsAlone(TrainTogether(SolverFor(2), 5, 3), TrainAlone(SolverFor(6), 5));
}

// Once an iteration, not once a pass; clipping is by the mean's norm.
TEST(GradientCombinerTest, SumsOverPassesAreCombinedOnce) {
  const std::string more = "iter_size: 3 clip_gradients: 0.05";
  const std::vector<Trained> ranks = TrainTogether(SolverFor(2, more), 4, 2);
  ExpectAsAlone(ranks, TrainAlone(SolverFor(4, more), 4));
  EXPECT_EQ(ranks[0].combined, 4 * 4);
}

TEST(GradientCombinerTest, OneRankTrainsAsWithoutACombiner) {
  const std::vector<Trained> ranks = TrainTogether(SolverFor(4), 5, 1);
  EXPECT_EQ(ranks[0].weights, TrainAlone(SolverFor(4), 5).weights);
}

// Others would wait for its gradients.
TEST(GradientCombinerTest, AnIterationIsFinishedBeforeItStops) {
  Meeting meeting(1);
  TrainOptions options = Options();
  options.combiner = std::make_shared<MeetingCombiner>(&meeting, 0);
  options.interrupt = [] { return true; };
  Trainer trainer(SolverFor(4), options);
  EXPECT_FALSE(trainer.Step(5));
  EXPECT_EQ(trainer.iteration(), 1);
}

void ExpectRefused(const proto::SolverParameter& solver, const TrainOptions& options,
                   const std::vector<std::string>& parts) {
  test::ExpectError([&] { Trainer(solver, options); }, parts);
}

TEST(GradientCombinerTest, RefusesWhatWouldLetRanksBecomeDifferent) {
  Meeting meeting(1);
  TrainOptions options = Options();
  options.rank = {1, 2};
  ExpectRefused(SolverFor(4), options, {"one of 2 ranks", "a combiner"});
  options.combiner = std::make_shared<MeetingCombiner>(&meeting, 0);
  ExpectRefused(SolverFor(4, "random_seed: -1"), options, {"random_seed", "2 ranks"});
  ExpectRefused(SolverFor(4, "lr_policy: 'plateau' gamma: 0.1 plateau_winsize: 3"), options,
                {"plateau", "another policy"});
  options.rank = {2, 2};
  ExpectRefused(SolverFor(4), options, {"no rank 2 of 2"});
}

}  // namespace
}  // namespace crema
