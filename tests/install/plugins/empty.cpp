// A plug-in without layers.
#include "crema/dev/plugin.h"

CREMA_PLUGIN(PLUGIN_NAME);
