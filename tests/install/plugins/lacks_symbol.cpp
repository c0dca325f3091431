// Calls a function that no library has.
#include "crema/dev/plugin.h"

CREMA_PLUGIN("lacks_symbol");

extern "C" int function_that_nobody_has();

// Used: the compiler must keep it.
__attribute__((used)) static int CallsIt() { return function_that_nobody_has(); }
