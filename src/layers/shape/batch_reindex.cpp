// BatchReindex: item i of the top is the item of the first bottom whose number is value i of the
// second; items may be left out and repeated.
#include <limits>

#include "base/ranges.h"
#include "crema.pb.h"
#include "crema/dev/registry.h"
#include "layers/shared/loss/loss_labels.h"
#include "layers/shared/saved_for_backward.h"

namespace crema {
namespace {

// A bad index gives zeros.
template <class T>
void Gather(const Context& ctx, int count, int size, const LabelRule& rule, const T* index,
            const T* x, T* y) {
  ForEach(ctx, count, size, [=] HD(int64_t i, int c) {
    const int64_t from = ReadLabel(index[i], rule);
    y[i * size + c] = from < 0 ? T(0) : x[from * size + c];
  });
}

// Each item gathers from all that were made of it, in their order.
template <class T>
void GatherBackward(const Context& ctx, int count, int size, const LabelRule& rule, const T* index,
                    const T* dy, T* dx) {
  ForEach(ctx, rule.classes, size, [=] HD(int64_t item, int c) {
    T sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      if (ReadLabel(index[i], rule) == item) sum += dy[i * size + c];
    }
    dx[item * size + c] = sum;
  });
}

class BatchReindexLayer : public LabelledLayer {
 public:
  using LabelledLayer::LabelledLayer;

  LayerTraits traits() const override {
    LayerTraits traits;
    traits.min_bottoms = traits.max_bottoms = 2;
    traits.backward_needs_top_data = false;
    traits.no_gradient_bottoms = {1};
    return traits;
  }

  LayerPlan Plan(const PlanInput& input) override {
    const Shape& x = input.shape(0);
    const Shape& index = input.shape(1);
    if (index.rank() != 1) {
      Fail("bottom 1 has shape ", index.ToString(), ", but must have one axis of item numbers");
    }
    if (x.rank() == 0) Fail("bottom 0 has shape ", x.ToString(), ", but needs an axis 0 of items");
    constexpr int kMost = std::numeric_limits<int>::max();
    const std::string of = " of bottom 0, " + x.ToString();
    CheckRange(Title() + ": the number of items" + of, x[0], 0, kMost);
    CheckRange(Title() + ": the size of an item" + of, x.CountFrom(1), 0, kMost);
    CheckRange(Title() + ": the number of indices", index[0], 0, kMost);
    count_ = static_cast<int>(index[0]);
    size_ = static_cast<int>(x.CountFrom(1));
    Shape top = x;
    top.at(0) = index[0];
    LayerPlan plan;
    plan.tops = {top};
    memory_.Begin(input);
    memory_.Use(index, &plan);
    PlanLabels(static_cast<int>(x[0]), &plan.state);
    return plan;
  }

  void Forward(Context& ctx, const BlobList& bottom, const BlobList& top) override {
    PrepareLabelCheck(ctx);
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T, {
      const T* index = bottom[1]->data<T>();
      T* bad = memory_.Open(ctx, states()).at<T>(0);
      MarkBadLabels(ctx, count_, index, rule(), bad);
      RecordBad(ctx, count_, index, bad);
      Gather(ctx, count_, size_, rule(), index, bottom[0]->data<T>(), top[0]->mutable_data<T>());
    });
  }

  void Backward(Context& ctx, const BlobList& top, const std::vector<bool>& propagate_down,
                const BlobList& bottom) override {
    if (!propagate_down[0]) return;
    CREMA_FLOAT_DISPATCH(top[0]->dtype(), T,
                         GatherBackward(ctx, count_, size_, rule(), bottom[1]->data<T>(),
                                        top[0]->diff<T>(), bottom[0]->mutable_diff<T>()));
  }

 protected:
  std::string Noun() const override { return "item number"; }
  std::string Advice() const override { return Concat("bottom 0 has ", rule().classes, " items"); }

 private:
  int count_ = 0, size_ = 0;
  SavedForBackward memory_;
};

CREMA_REGISTER_LAYER("BatchReindex", BatchReindexLayer);

}  // namespace
}  // namespace crema
