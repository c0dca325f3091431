// With ema_decay: the averaged weights in the nets while it lives; then again what was there.
#pragma once

#include "crema/train/trainer.h"

namespace crema {

class Trainer::AverageShown {
 public:
  explicit AverageShown(Trainer* trainer);
  ~AverageShown();
  AverageShown(const AverageShown&) = delete;
  AverageShown& operator=(const AverageShown&) = delete;

 private:
  Trainer* trainer_;
  bool before_;
};

}  // namespace crema
