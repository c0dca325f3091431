// Scripts by which shells complete crema's command line, made from the commands and their flags.
#pragma once

#include <string>

namespace crema {

// The script for "bash" or "zsh". Throws UsageError for another shell.
std::string CompletionFor(const std::string& shell);

}  // namespace crema
