// A plug-in without layers.
#include "crema/layer/plugin.h"

CREMA_PLUGIN(PLUGIN_NAME);
