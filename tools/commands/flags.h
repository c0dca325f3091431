// Flags that several commands read; their meanings are in flags.cpp.
#pragma once

#include <gflags/gflags.h>

DECLARE_string(gpu);
DECLARE_string(solver);
DECLARE_string(model);
DECLARE_string(weights);
DECLARE_string(phase);
DECLARE_int32(level);
DECLARE_string(stage);
DECLARE_int32(iterations);
DECLARE_bool(verbose);
DECLARE_int32(threads);
DECLARE_bool(no_fuse);
DECLARE_bool(no_slices);
DECLARE_string(plugins);
