// The fake target of the layer files. Which of the targets' headers is meant is decided by the
// include path, so a layer file contains no #if.
#pragma once

#include "crema/device.h"

// Stands before the body of a kernel lambda: [=] HD (int64_t r, int c) {...}.
#define HD
// The inline namespace of everything that is compiled once a target.
#define CREMA_TARGET fake_tu
#define CREMA_TARGET_DEVICE ::crema::DeviceKind::kFake
